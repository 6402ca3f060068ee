"""A folder of photos: `CLASS/PHOTO`, or `{train,val,test,meta}/CLASS/PHOTO`; masks in another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from causalogit.config import DataConfig
from causalogit.data.samples import PARTS, Samples
from causalogit.data.sources.files import Record, samples_from_records, split_name

PHOTO_SIZE = 224
"""Pixels of a side where the config is silent."""

_LITTER = {"thumbs.db", "desktop.ini"}


def photo_folder(config: DataConfig) -> Samples:
    """The photos of a folder; the names of its sub-folders are the classes.

    Raises:
        ValueError: the folder is not made like that, or photos cannot be used.
    """
    records = folder_records(Path(config.source), config.mask_path)
    return samples_from_records(
        records,
        source=str(Path(config.source)),
        size=config.image_size or PHOTO_SIZE,
        memory=config.memory,
    )


def folder_records(root: Path, mask_path: str | None) -> list[Record]:
    """A record of every photo of a folder; `where` is its name, relative to the folder.

    Raises:
        ValueError: the folder is not made like that, or there is no folder of masks.
    """
    masks = None if mask_path is None else MaskFolder(Path(mask_path))
    records = [
        Record(
            where=name,
            image=photo,
            label=photo.parent.name,
            mask=None if masks is None else masks.find(name),
            split=split,
        )
        for split, photo in _photos(root)
        for name in (photo.relative_to(root).as_posix(),)
    ]
    first: dict[Path, Record] = {}
    for place, record in enumerate(records):
        if record.mask is None or first.setdefault(record.mask, record) is record:
            continue
        problem = f"its mask {record.mask} is that of {first[record.mask].where}: rename one photo"
        records[place] = replace(record, problem=problem)
    return records


def _photos(root: Path) -> Iterator[tuple[str | None, Path]]:
    """Every photo with its split, in the order of the names, whatever the disk's order is."""
    train = next((path for path in visible(root) if split_name(path.name) == "train"), None)
    if train is None or not (train.is_dir() and any(path.is_dir() for path in visible(train))):
        for photo in _class_photos(root):
            yield None, photo
        return
    for folder in visible(root):
        split = split_name(folder.name)
        if split not in PARTS or not folder.is_dir():
            raise ValueError(
                f"{folder} is not a split: beside {train} there may be folders named val, test "
                "and meta alone"
            )
        for photo in _class_photos(folder):
            yield split, photo


def _class_photos(folder: Path) -> Iterator[Path]:
    classes = visible(folder)
    loose = [path.name for path in classes if not path.is_dir()]
    if loose:
        raise ValueError(
            f"{folder} holds {loose[0]} beside its folders: put every photo into the folder of "
            "its class, and all other files elsewhere"
        )
    if not classes:
        raise ValueError(f"{folder} has no folders: make one for each class")
    for own in classes:
        photos = visible(own)
        deeper = [path for path in photos if path.is_dir()]
        if deeper:
            raise ValueError(f"{deeper[0]} is a folder: put the photos of a class into {own} alone")
        if not photos:
            raise ValueError(f"{own} has no images: remove the folder, or put photos of it there")
        yield from photos


def visible(folder: Path) -> list[Path]:
    """What a folder holds, by name, without hidden files and the litter of file managers.

    Raises:
        ValueError: a name is no text, which no page or table could hold.
    """
    found = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name.lower() not in _LITTER
    )
    for path in found:
        if not _is_text(path.name):
            raise ValueError(
                f"{folder} holds a name that is not UTF-8, {path.name!r} (as from an old archive): "
                "rename it"
            )
    return found


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class MaskFolder:
    """Masks that have their photos' names, whatever their formats.

    Raises:
        ValueError: there is no such folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise ValueError(f"data.mask_path {root} is not a folder")
        self.root = root
        self._by_stem: dict[Path, dict[str, Path]] = {}

    def find(self, name: str) -> Path:
        """The mask of the photo of this relative name; where there is none, where it should be."""
        if (exact := self.root / name).is_file():
            return exact
        if exact.parent not in self._by_stem:
            files = visible(exact.parent) if exact.parent.is_dir() else []
            self._by_stem[exact.parent] = {path.stem: path for path in reversed(files)}
        return self._by_stem[exact.parent].get(exact.stem, exact.with_suffix(".png"))
