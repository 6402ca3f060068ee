"""The photos of a source, each with the name of its mask."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from causalogit.data.masking.config import MasksConfig
from causalogit.data.sources.files import Record
from causalogit.data.sources.files.check import Problems, missing_files, refuse
from causalogit.data.sources.folder import folder_records
from causalogit.data.sources.manifest import SUFFIXES, manifest_records
from causalogit.data.sources.waterbirds import METADATA, read_metadata

SHEET: Final = "sheet.png"
"""The contact sheet's name in a folder of masks."""

_RENAME: Final = "rename the photo"


@dataclass(frozen=True)
class Item:
    """One photo.

    Attributes:
        record: what the source says of it.
        name: of its mask, relative to the folder of masks.
    """

    record: Record
    name: str


@dataclass(frozen=True)
class Items:
    """All photos of a source.

    Attributes:
        all: in the source's order, each photo once.
        records: one a row of the source.
        is_table: whether the source is a table, which names its masks itself.
    """

    all: Sequence[Item]
    records: Sequence[Record]
    is_table: bool


def find_items(config: MasksConfig) -> Items:
    """Read the source and look whether everything that it names exists.

    Raises:
        ValueError: there is no such source, rows cannot be used (all of them in one message), or
            no photo has what masks are to be made from.
    """
    source = Path(config.source)
    is_table = source.is_file() and source.suffix.lower() in SUFFIXES
    records, root = _records(source, config, is_table)
    if config.mask_path is not None and config.origin == "auto":
        records = [
            replace(own, mask=None) if own.mask and not own.mask.is_file() else own
            for own in records
        ]
    if config.origin not in ("auto", "files"):
        records = [replace(own, mask=None) for own in records]
    items, problems = _named(records, root)
    if not records:
        raise ValueError(f"{source} has no images")
    _require_some(config, records)
    refuse(records, problems + missing_files(records)[0], str(source))
    return Items(items, records, is_table)


def _records(source: Path, config: MasksConfig, is_table: bool) -> tuple[list[Record], Path]:
    """Records, and the folder that names of photos are relative to."""
    if is_table:
        if config.mask_path is not None:
            raise ValueError(f"mask_path is for folders: name the masks of {source} in column mask")
        records = manifest_records(source)
        own = _absolute(source.parent)
        folders = {_absolute(one.image).parent for one in records if one.problem is None}
        inside = all(folder.is_relative_to(own) for folder in folders)
        return records, own if inside else Path(os.path.commonpath(folders))
    if not source.is_dir():
        raise ValueError(
            f"source {source} is no folder of photos and no table ({', '.join(SUFFIXES)}): give "
            "the path of one that exists"
        )
    if (source / METADATA).is_file():
        return read_metadata(source, config.mask_path).records, _absolute(source)
    return folder_records(source, config.mask_path), _absolute(source)


def _named(records: Sequence[Record], root: Path) -> tuple[list[Item], Problems]:
    items: dict[str, Item] = {}
    problems: Problems = []
    for place, record in enumerate(records):
        image = _absolute(record.image)
        if record.problem is not None:
            problems.append((place, record.problem))
        elif not image.is_relative_to(root):
            problems.append((place, f"{record.image} is not inside of {root}"))
        else:
            name = image.relative_to(root).with_suffix(".png").as_posix()
            first = items.setdefault(name, Item(record, name)).record
            if name == SHEET:
                problems.append((place, f"its mask would have the contact sheet's name: {_RENAME}"))
            elif _absolute(first.image) != image:
                twice = f"its mask would have the name of that of {first.where}: {_RENAME}"
                problems.append((place, twice))
            elif (first.box, first.mask) != (record.box, record.mask):
                problems.append((place, f"has the photo of {first.where}, but another box or mask"))
    return list(items.values()), problems


def _absolute(path: Path) -> Path:
    """Without `..`, and without following links."""
    return Path(os.path.abspath(path))


def _require_some(config: MasksConfig, records: Sequence[Record]) -> None:
    """Whether any photo has what all are said to have."""
    if config.origin == "files" and not any(own.mask for own in records):
        raise ValueError(
            f"origin is 'files', but {config.source} names no masks: give mask_path for a folder, "
            "a column mask for a table"
        )
    if config.origin == "boxes" and not any(own.box for own in records):
        raise ValueError(
            f"origin is 'boxes', but {config.source} names none: give a table with the column box"
        )
