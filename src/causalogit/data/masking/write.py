"""Masks for all photos of a source: a few photos at a time, and resumed where it was stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path

import yaml
from PIL.PngImagePlugin import PngInfo

from causalogit.data.masking.config import MasksConfig
from causalogit.data.masking.items import Item, find_items
from causalogit.data.masking.make import Asked, Made, MaskMaker
from causalogit.data.masking.report import ORIGIN, MasksReport, report_on
from causalogit.data.sources.files.check import Problems, refuse
from causalogit.data.sources.files.decode import Unusable
from causalogit.data.sources.files.photos import in_threads
from causalogit.files import alone_in, require_vacant, sweep, write_bytes, write_text

OnProgress = Callable[[str, int, int], None]
"""Called with what is done, how much of it is done, and how much there is to do."""

RECORD = "masks.yaml"
"""What was asked for; `causalogit masks --config` reads it."""


def make_masks(
    config: MasksConfig, out: Path, on_progress: OnProgress | None = None
) -> MasksReport:
    """Write a mask for every photo of a source, and a report on all of them.

    `out` gets a PNG file, 8-bit grey, under the name of every photo, `masks.yaml`, `quality.csv`,
    `quality.json` and `sheet.png`; of a table also `photos.csv`, a copy that names the masks. Masks
    that are there already are kept, so that a call that was stopped goes on, and masks that were
    corrected by hand stay; the report looks at them anew.

    Args:
        config: which photos, and where their masks come from.
        out: a folder that is new or empty, or holds masks of the same config.
        on_progress: called with "masks" or "report", photos done, photos in all.

    Raises:
        ValueError: the source, the segmenter or `out` cannot be used, or some photos cannot; the
            latter are listed in one message, after everything else is done.
    """
    source = Path(config.source)
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{out} lies inside of {source}: choose a folder outside of the photos")
    _check_folder(config, out)
    items = find_items(config)
    with alone_in(out, "making masks"):
        _check_folder(config, out)  # another process may have begun one since
        sweep(out, below=True)
        problems = _write_all(config, items.all, out, on_progress)
        report = report_on(items, out, on_progress)
    refuse([item.record for item in items.all], problems, config.source)
    return report


def _write_all(
    config: MasksConfig, items: Sequence[Item], out: Path, on_progress: OnProgress | None
) -> Problems:
    maker = MaskMaker(config)
    problems: Problems = []

    def attempt(item: Item) -> Made | Asked | Unusable:
        try:
            return maker.begin(item.record)
        except Unusable as error:
            return error

    for start in range(0, len(items), config.batch_size):
        batch = items[start : start + config.batch_size]
        missing = [not (out / item.name).is_file() for item in batch]
        if any(missing):
            # the whole batch, since what a network finds may depend on its neighbours in the last
            # bit: a resumed call is to write the same bytes
            found = list(in_threads(attempt, batch))
            asked = iter(maker.finish([own for own in found if isinstance(own, Asked)]))
            for place, (item, own, is_missing) in enumerate(
                zip(batch, found, missing, strict=True), start
            ):
                made = next(asked) if isinstance(own, Asked) else own
                if isinstance(made, Unusable):
                    problems.append((place, str(made)))
                elif is_missing:
                    _begin_folder(config, out)
                    write_bytes(out / item.name, _png(made))
        if on_progress:
            on_progress("masks", start + len(batch), len(items))
    return problems


def _png(made: Made) -> bytes:
    text = PngInfo()
    text.add_text(ORIGIN, made.origin)
    file = BytesIO()
    made.mask.save(file, "PNG", pnginfo=text, compress_level=1)
    return file.getvalue()


def _begin_folder(config: MasksConfig, out: Path) -> None:
    if not (out / RECORD).is_file():
        text = yaml.safe_dump(asdict(config), sort_keys=False, allow_unicode=True)
        write_text(out / RECORD, text)


def _check_folder(config: MasksConfig, out: Path) -> None:
    """Whether masks of this config may be written to a folder.

    Raises:
        ValueError: it holds something else.
    """
    record = out / RECORD
    if not record.is_file():
        return require_vacant(out)
    try:
        there = MasksConfig(**yaml.safe_load(record.read_text(encoding="utf-8")))
    except (TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(
            f"{record} is not what this command has written: choose another folder"
        ) from error
    old, new = (asdict(_comparable(own)) for own in (there, config))
    changed = [f"{name} is {old[name]}, not {new[name]}" for name in new if old[name] != new[name]]
    if changed:
        raise ValueError(
            f"{out} holds masks of other options ({'; '.join(changed)}): go on with --config "
            f"{record}, choose another folder, or delete this one"
        )


def _comparable(config: MasksConfig) -> MasksConfig:
    """What tells masks apart: not the batch size, nor how a path is spelled."""
    paths = {name: getattr(config, name) for name in ("source", "mask_path", "segmenter_path")}
    absolute = {name: path and os.path.abspath(path) for name, path in paths.items()}
    return replace(config, batch_size=1, **absolute)
