"""What the masks of a folder look like: a table, a summary, a contact sheet."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy
import torch
from PIL import Image, ImageOps
from torch import Tensor

from causalogit.data.masking.items import Item, Items
from causalogit.data.masking.sheet import write_sheet
from causalogit.data.sources.files.decode import fit_square, grey_mask
from causalogit.data.sources.files.photos import in_threads
from causalogit.files import write_json, write_text
from causalogit.masks.probe import Probe, probe
from causalogit.masks.quality import Quality, box_of, quality_of

ORIGIN: Final = "origin"
"""Key of the text within every mask file that says where the mask comes from."""

NOTHING_FOUND: Final = "nothing found"
"""Origin of a mask that a segmenter was asked for in vain: all of the photo counts as object."""

_BY_HAND = "by hand"
_OUTLINE = 16  # pixels of a side of the outline that the probe sees
_LOOKED_AT = 512  # pixels of the longer side, of larger masks


@dataclass(frozen=True)
class Row:
    """One mask.

    Attributes:
        item: the photo.
        origin: where its mask comes from.
        quality: what it looks like.
    """

    item: Item
    origin: str
    quality: Quality


@dataclass(frozen=True)
class MasksReport:
    """All masks of a folder.

    Attributes:
        rows: one a mask.
        outline: how well labels are told by the outline alone; None of too few photos.
        box: how well by the object's box alone.
        table: copy of the source's table that names the masks; None for other sources.
    """

    rows: Sequence[Row]
    outline: Probe | None
    box: Probe | None
    table: Path | None

    @property
    def origins(self) -> Counter[str]:
        """Masks by where they come from."""
        return Counter(row.origin for row in self.rows)

    @property
    def unfound(self) -> int:
        """Photos in which nothing was found, so that all of each counts as object."""
        return self.origins[NOTHING_FOUND]

    @property
    def flags(self) -> Counter[str]:
        """Masks by what is suspicious of them."""
        return Counter(flag for row in self.rows for flag in row.quality.flags)

    @property
    def suspicious(self) -> int:
        """Masks that have a flag."""
        return sum(bool(row.quality.flags) for row in self.rows)

    def median(self, measure: str) -> float:
        """Of a field of `Quality`, over all masks."""
        values: list[float] = [getattr(row.quality, measure) for row in self.rows]
        return median(values)


def report_on(
    items: Items, out: Path, on_progress: Callable[[str, int, int], None] | None
) -> MasksReport:
    """Look at every mask that is there, and write down what was seen.

    Raises:
        ValueError: a mask cannot be read.
    """
    there = [item for item in items.all if (out / item.name).is_file()]
    rows = []
    # thousands of small tensors that stay would hold on to the memory that photos had between them
    outlines = torch.zeros(len(there), _OUTLINE**2, dtype=torch.uint8)
    boxes = torch.zeros(len(there), 5, dtype=torch.float64)
    for place, (row, outline, box) in enumerate(in_threads(lambda i: _look(i, out), there)):
        rows.append(row)
        outlines[place], boxes[place] = outline, box
        if on_progress:
            on_progress("report", place + 1, len(there))
    numbers = {name: place for place, name in enumerate(sorted({i.record.label for i in there}))}
    labels = torch.tensor([numbers[item.record.label] for item in there])
    report = MasksReport(
        rows,
        probe(outlines, labels) if rows else None,
        probe(boxes, labels) if rows else None,
        out / "photos.csv" if items.is_table else None,
    )
    if rows:
        write_text(out / "quality.csv", _table(rows))
        write_json(out / "quality.json", _summary(report))
        write_sheet([(row.item, row.quality) for row in rows], out)
        if report.table is not None:
            write_text(report.table, _copy(items, out))
    return report


def _look(item: Item, out: Path) -> tuple[Row, Tensor, Tensor]:
    """One mask, its outline `(256,)`, 8 bits, as training sees it, and its box and area `(5,)`."""
    path = out / item.name
    try:
        with Image.open(path) as file:
            origin = str(file.info.get(ORIGIN, _BY_HAND))
            mask = grey_mask(ImageOps.exif_transpose(file))
    except OSError as error:
        raise ValueError(
            f"{path} is not a readable image: delete it, and the same command makes it anew"
        ) from error
    outline = torch.from_numpy(numpy.array(fit_square(mask, _OUTLINE))).flatten()
    scale = min(1.0, _LOOKED_AT / max(mask.size))
    size = (max(1, round(mask.width * scale)), max(1, round(mask.height * scale)))
    # values must stay as sure as they are
    values = torch.from_numpy(numpy.array(mask.resize(size, Image.Resampling.NEAREST))) / 255
    quality = quality_of(values)
    area = torch.tensor([quality.area], dtype=torch.float64)
    return Row(item, origin, quality), outline, torch.cat([box_of(values), area])


def _table(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    measures = ("area", "confidence", "border", "inside")
    writer.writerow(("mask", "label", "origin", *measures, "sides", "flags"))
    for row in rows:
        own = row.quality
        shares = (f"{getattr(own, name):.4f}" for name in measures)
        writer.writerow(
            (row.item.name, row.item.record.label, row.origin, *shares, own.sides,
             ", ".join(own.flags))
        )  # fmt: skip
    return text.getvalue()


def _summary(report: MasksReport) -> dict[str, Any]:
    return {
        "masks": len(report.rows),
        "origins": dict(report.origins),
        "suspicious": report.suspicious,
        "flags": dict(report.flags),
        "median": {name: report.median(name) for name in ("area", "confidence", "border")},
        "leakage": {
            name: found and asdict(found)
            for name, found in (("outline", report.outline), ("box", report.box))
        },
    }


def _copy(items: Items, out: Path) -> str:
    """The source's table with the masks' names, and with paths relative to `out`."""
    names = {os.path.abspath(item.record.image): item.name for item in items.all}
    optional = [name for name in ("group", "split") if any(getattr(r, name) for r in items.records)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image", "label", "mask", *optional))
    for record in items.records:
        mask = names[os.path.abspath(record.image)]
        image = record.image.parent.resolve() / record.image.name
        writer.writerow(
            (
                Path(os.path.relpath(image, out.resolve())).as_posix(),
                record.label,
                mask if (out / mask).is_file() else "",
                *(getattr(record, name) or "" for name in optional),
            )
        )
    return text.getvalue()
