"""ImageNet-GLT and MSCOCO-GLT: long tails of classes and of attributes inside of each class.

Source: Tang et al. 2022, arXiv 2207.09504, and the annotation files that their code writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from causalogit.config import DataConfig
from causalogit.data.samples import Samples
from causalogit.data.sources.files import Record, samples_from_records
from causalogit.data.sources.folder import PHOTO_SIZE

_URL = "https://github.com/KaihuaTang/Generalized-Long-Tailed-Benchmarks.pytorch/tree/main"

ATTRIBUTES = ("frequent", "middling", "rare")
"""How common an image's attributes are: their number in the files, 0 to 2."""

Place = Callable[[str], Path]
"""From a photo's path on its maker's machine to where it lies here."""


def imagenet_glt(config: DataConfig) -> Samples:
    """ImageNet with three clusters of looks inside of each class; `data.attribute.protocol`.

    `data.path` holds `imagenet_sup_intra_lt_inter_lt.json` (protocols "clt" and "glt") and
    `imagenet_sup_intra_lt_inter_bl.json` ("alt"), and ImageNet's training photos,
    `train/CLASS/PHOTO` or `CLASS/PHOTO`.

    Raises:
        ValueError: the file is missing or not made like that, or names photos that are not there.
    """
    root = _root(config, "imagenet_glt", "_ImageNetGeneration")
    tail = "bl" if config.attribute.protocol == "alt" else "lt"
    photos = root / "train" if (root / "train").is_dir() else root

    def place(path: str) -> Path:
        parts = PurePosixPath(path).parts
        return photos.joinpath(*parts[-2:])

    file = root / f"imagenet_sup_intra_lt_inter_{tail}.json"
    return _read(config, file, place, "_ImageNetGeneration")


def mscoco_glt(config: DataConfig) -> Samples:
    """Crops of MSCOCO's objects with common or rare attributes; `data.attribute.protocol`.

    `data.path` is the folder that their `mscoco_glt_crop.py` writes: `coco_glt` (protocols "clt"
    and "glt") and `coco_cbl` ("alt"), each with `annotation.json` and `images`.

    Raises:
        ValueError: the file is missing or not made like that, or names photos that are not there.
    """
    root = _root(config, "mscoco_glt", "_COCOGeneration")
    folder = root / ("coco_cbl" if config.attribute.protocol == "alt" else "coco_glt")

    def place(path: str) -> Path:
        return folder / "images" / PurePosixPath(path).name

    return _read(config, folder / "annotation.json", place, "_COCOGeneration")


def _root(config: DataConfig, name: str, page: str) -> Path:
    if config.path is None:
        raise ValueError(
            f"{name} is not downloaded: set data.path to the folder of its photos and annotation "
            f"files, made as {_URL}/{page} says"
        )
    return Path(config.path)


def _read(config: DataConfig, file: Path, place: Place, page: str) -> Samples:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{file} is missing: make it as {_URL}/{page} says") from error
    except ValueError as error:
        raise ValueError(f"{file} is not complete JSON ({error}): make it anew") from error
    # Train-GLT or Train-CBL is told by the file; their Test-CBL is test_bl, Test-GBL test_bbl
    test = "test_bl" if config.attribute.protocol == "clt" else "test_bbl"
    parts = {"train": "train", "validation": "val", "test": test}
    try:
        classes = _class_names(content["id2cat"])
        records = [
            record
            for split, key in parts.items()
            for record in _records(content[key], f"{file.name}, {key}", split, classes, place)
        ]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{file} is not one of the published annotation files ({error!r}): make it as "
            f"{_URL}/{page} says"
        ) from error
    return samples_from_records(
        records,
        source=str(file),
        size=config.image_size or PHOTO_SIZE,
        memory=config.memory,
        decode=False,
        class_names=classes,
        attribute_names=ATTRIBUTES,
    )


def _class_names(names: Mapping[str, str]) -> list[str]:
    return [names[str(number)] for number in range(len(names))]


def _records(
    part: Mapping[str, Any], where: str, split: str, classes: list[str], place: Place
) -> Iterator[Record]:
    """ImageNet's photos are keyed by their paths, MSCOCO's by numbers that have a path."""
    paths = part.get("path")
    for key, label in part["label"].items():
        path = key if paths is None else paths[key]
        yield Record(
            where=f"{where} {PurePosixPath(path).name}",
            image=place(path),
            label=classes[int(label)],
            group=ATTRIBUTES[int(part["attribute"][key])],
            split=split,
        )
