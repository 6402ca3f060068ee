"""Waterbirds, and every set whose `metadata.csv` has the columns that WILDS gave to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from causalogit.config import DataConfig
from causalogit.data.samples import PARTS, Samples
from causalogit.data.sources.files import Record, samples_from_records, split_name
from causalogit.data.sources.folder import PHOTO_SIZE, MaskFolder
from causalogit.data.sources.manifest import Row, check_columns, read_table

METADATA: Final = "metadata.csv"
_NEEDED: Final = ("img_filename", "y", "split")
_URL = "https://nlp.stanford.edu/data/dro/waterbird_complete95_forest2water2.tar.gz"


def waterbirds(config: DataConfig) -> Samples:
    """4,795 + 1,199 + 5,794 birds on land and on water (Sagawa et al. 2020, arXiv 1911.08731).

    Masks are CUB-200-2011's segmentations, in the folder `data.mask_path`.

    Raises:
        ValueError: `data.path` does not hold the set, or photos cannot be used.
    """
    if config.path is None or not (Path(config.path) / METADATA).is_file():
        raise ValueError(
            f"waterbirds is read from the folder that has its {METADATA}: "
            + ("set data.path to it" if config.path is None else f"{config.path} has none")
            + f" ({_URL})"
        )
    return _read(
        Path(config.path), config, ("landbird", "waterbird"), ("land", "water"), object_name="bird"
    )


def composed(config: DataConfig) -> Samples:
    """A folder with a `metadata.csv` like Waterbirds', and with masks where it names them.

    Columns: `img_filename`, `y` (the class, a number), `split` (0 train, 1 validation, 2 test, 3
    meta); if wanted, `place` (the spurious attribute, a number), `mask_filename`, and the names
    `label_name` and `place_name`. All others are ignored.

    Raises:
        ValueError: a column is missing, or photos cannot be used.
    """
    return _read(Path(config.source), config, (), ())


def _read(
    root: Path,
    config: DataConfig,
    labels: Sequence[str],
    places: Sequence[str],
    object_name: str = "object",
) -> Samples:
    found = read_metadata(root, config.mask_path, labels, places)
    return samples_from_records(
        found.records,
        source=str(root / METADATA),
        size=config.image_size or PHOTO_SIZE,
        memory=config.memory,
        class_names=found.classes,
        attribute_names=found.attributes,
        object_name="object" if found.names_labels else object_name,
    )


@dataclass(frozen=True)
class Metadata:
    """What a `metadata.csv` says.

    Attributes:
        records: one a row.
        classes: names of the classes, by their numbers.
        attributes: names of the places, likewise.
        names_labels: whether the classes have names in the table.
    """

    records: list[Record]
    classes: list[str]
    attributes: list[str]
    names_labels: bool


def read_metadata(
    root: Path, mask_path: str | None, labels: Sequence[str] = (), places: Sequence[str] = ()
) -> Metadata:
    """Read the `metadata.csv` of a folder.

    Args:
        root: the folder.
        mask_path: a folder of masks, in place of those that the table names.
        labels: names of the classes where the table has none.
        places: names of the places likewise.

    Raises:
        ValueError: the table cannot be read, a column is missing, or there is no folder of masks.
    """
    path = root / METADATA
    columns, lines = read_table(path)
    check_columns(path, columns, _NEEDED)
    rows = list(lines)
    classes = _Names(rows, "y", "label_name", labels)
    attributes = _Names(rows, "place", "place_name", places)
    masks = None if mask_path is None else MaskFolder(Path(mask_path))
    records = [_record(root, row, classes, attributes, masks) for row in rows]
    return Metadata(records, classes.all, attributes.all, "label_name" in columns)


class _Names:
    """Numbers of a column and their names: from another column, or by default.

    Attributes:
        all: one a number, in order.
    """

    def __init__(self, rows: Sequence[Row], column: str, names: str, default: Sequence[str]):
        self.column, self.names = column, names
        self._by_number: dict[str, str] = {}
        for _, values, _ in rows:
            number = values.get(column, "")
            if number.isdecimal():
                usual = default[int(number)] if int(number) < len(default) else number
                self._by_number.setdefault(number, values.get(names) or usual)
        self.all = [self._by_number[number] for number in sorted(self._by_number, key=int)]
        twice = next((name for name in self.all if self.all.count(name) > 1), None)
        if twice is not None:
            numbers = [number for number, name in self._by_number.items() if name == twice]
            raise ValueError(
                f"{METADATA}: {column} {' and '.join(numbers)} have one name, '{twice}': give each "
                "its own"
            )

    def of(self, row: Row) -> tuple[str, str | None]:
        """The name of a row's number, and what is wrong with it."""
        values = row[1]
        number = values.get(self.column, "")
        if number not in self._by_number:
            return "", f"{self.column} is '{number}': give a number from 0 on"
        name, own = self._by_number[number], values.get(self.names)
        if own and own != name:
            return "", f"{self.names} is '{own}', but other rows name {self.column} {number} {name}"
        return name, None


def _record(
    root: Path, row: Row, classes: _Names, attributes: _Names, masks: MaskFolder | None
) -> Record:
    where, values, problem = row
    label, bad_label = classes.of(row)
    group, bad_group = attributes.of(row) if "place" in values else (None, None)
    name, split, mask = (values.get(key, "") for key in ("img_filename", "split", "mask_filename"))
    file = None if not mask else root / mask
    return Record(
        where=where,
        image=root / name,
        label=label,
        group=group,
        mask=file if masks is None else masks.find(name),
        split=PARTS[int(split)] if split in ("0", "1", "2", "3") else split_name(split),
        problem=problem or bad_label or bad_group or (None if name else "img_filename is empty"),
    )
