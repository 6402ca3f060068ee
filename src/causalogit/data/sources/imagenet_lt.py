"""ImageNet-LT: three lists of ImageNet's photos (Liu et al. 2019, arXiv 1904.05160)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from causalogit.config import DataConfig
from causalogit.data.samples import Samples
from causalogit.data.sources.files import Record, samples_from_records
from causalogit.data.sources.folder import PHOTO_SIZE

_URL = "https://github.com/facebookresearch/classifier-balancing/tree/main/data/ImageNet_LT"
_LISTS = {"train": "train", "validation": "val", "test": "test"}

Line = tuple[str, str, int]
"""Where it stands, the photo's path, and its label."""


def imagenet_lt(config: DataConfig) -> Samples:
    """115,846 + 20,000 + 50,000 photos of a thousand classes, 1,280 to 5 training images each.

    `data.path` holds ImageNet's folders `train` and `val` (with or without folders of the classes)
    and the lists `ImageNet_LT_{train,val,test}.txt`, a path and a label on each line.

    Raises:
        ValueError: a list is missing or damaged, or names photos that are not there.
    """
    if config.path is None:
        raise ValueError(
            "imagenet_lt is not downloaded: set data.path to the folder of ImageNet's train and "
            f"val, with the lists ImageNet_LT_train.txt, _val.txt and _test.txt from {_URL}"
        )
    root = Path(config.path)
    lines = {split: _lines(root, f"ImageNet_LT_{name}.txt") for split, name in _LISTS.items()}
    names = _class_names(lines["train"])
    _check_labels(lines, len(names))
    flat = not (root / "val" / names[0]).is_dir()
    records = [
        Record(where, root / _place(path, flat=flat), names[label], split=split)
        for split, own in lines.items()
        for where, path, label in own
    ]
    return samples_from_records(
        records,
        source=f"imagenet_lt in {root}",
        size=config.image_size or PHOTO_SIZE,
        memory=config.memory,
        decode=False,
        class_names=names,
    )


def _lines(root: Path, name: str) -> list[Line]:
    try:
        text = (root / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{root} has no readable {name}: get it from {_URL}") from error
    lines = list(_parsed(name, text.splitlines()))
    if not lines:
        raise ValueError(f"{root / name} is empty: get it from {_URL}")
    return lines


def _parsed(name: str, lines: Sequence[str]) -> Iterator[Line]:
    for number, line in enumerate(lines, start=1):
        path, _, label = line.strip().rpartition(" ")
        if not path or not label.isdecimal():
            raise ValueError(f"{name}, line {number}: '{line}' is not a path and a label's number")
        yield f"{name}, line {number}", path, int(label)


def _class_names(train: Sequence[Line]) -> list[str]:
    """The classes' folders, by label."""
    folders = {label: Path(path).parent.name for _, path, label in train}
    if sorted(folders) != list(range(len(folders))):
        raise ValueError("ImageNet_LT_train.txt leaves labels out: get it anew")
    return [folders[label] for label in range(len(folders))]


def _check_labels(lines: Mapping[str, Sequence[Line]], count: int) -> None:
    for own in lines.values():
        for where, _, label in own:
            if label >= count:
                raise ValueError(
                    f"{where}: label {label} is of no training image, whose labels are 0 to "
                    f"{count - 1}"
                )


def _place(path: str, *, flat: bool) -> str:
    """Where a listed photo lies; ImageNet's own val has no folders of the classes."""
    parts = Path(path).parts
    return f"val/{parts[-1]}" if flat and parts[0] == "val" else path
