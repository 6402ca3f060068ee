"""Data sets of Hugging Face: by name, or a folder that `save_to_disk` wrote."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy
import torch
from torch import Tensor

from causalogit.config import DataConfig
from causalogit.data.samples import PARTS, Samples
from causalogit.data.sources.classes import check_classes
from causalogit.data.sources.files import split_name
from causalogit.data.sources.files.decode import (
    Unusable,
    decode_mask,
    decode_photo,
    fit_mask,
    read_bytes,
    stacked,
)
from causalogit.data.sources.files.photos import LazyImages, in_threads
from causalogit.data.sources.folder import PHOTO_SIZE

PREFIX: Final = "hf:"

Parts = Mapping[str, Any]
"""`datasets.Dataset`s by our splits' names; the package has no types."""


def hub(config: DataConfig) -> Samples:
    """A data set of Hugging Face with an image and a label in each row.

    The columns are found by their types: the one of type Image that is not called "mask", and the
    one of type ClassLabel (or called "label"). Columns named "mask" (Image) and "group" are used
    where there are any. Splits that are not called train, validation (val, valid), test or meta
    are left out.

    Raises:
        ValueError: the package is not installed, the set is not found, or its columns do not fit.
    """
    name = config.source.removeprefix(PREFIX)
    parts = _load(name)
    features = parts["train"].features
    image = _image_column(name, features)
    label = _label_column(name, features)
    mask = "mask" if "mask" in features else None
    labels, class_names = _numbers(name, parts, label)
    training = labels[: len(parts["train"])]
    check_classes(f"data.source hf:{name}", class_names, labels, training)
    samples = Samples(
        _images(name, parts, image, mask, config.image_size or PHOTO_SIZE, config.memory),
        labels,
        class_names,
        parts=torch.cat(
            [torch.full((len(part),), PARTS.index(split)) for split, part in parts.items()]
        ),
    )
    if "group" not in features:
        return samples
    attributes, attribute_names = _numbers(name, parts, "group")
    return replace(samples, attributes=attributes, attribute_names=attribute_names)


def _load(name: str) -> Parts:
    try:
        import datasets
    except ImportError as error:
        raise ValueError(
            f"data.source hf:{name} needs the package datasets: pip install 'causalogit[data]'"
        ) from error
    try:
        if Path(name).is_dir() and not any(Path(name).glob("*.parquet")):
            found = datasets.load_from_disk(name)
        else:
            found = datasets.load_dataset(name)
    except Exception as error:  # of the package, of the network, of the files
        raise ValueError(
            f"data.source hf:{name} could not be loaded ({_first_line(error)}): give the name of a "
            "data set that can be reached, or a folder written by save_to_disk"
        ) from error
    if not isinstance(found, dict):
        return {"train": found}
    parts = {split_name(key): part for key, part in found.items() if split_name(key) in PARTS}
    if "train" not in parts:
        raise ValueError(f"data.source hf:{name} has no split train, only {', '.join(found)}")
    return dict(sorted(parts.items(), key=lambda item: PARTS.index(item[0])))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _image_column(name: str, features: Mapping[str, Any]) -> str:
    found = [key for key, kind in features.items() if _is(kind, "Image") and key != "mask"]
    return _only(name, found, "image", "of type Image", features)


def _label_column(name: str, features: Mapping[str, Any]) -> str:
    found = [key for key, kind in features.items() if _is(kind, "ClassLabel") and key != "group"]
    if not found and _is(features.get("label"), "Value"):
        return "label"
    return _only(name, found, "label", "of type ClassLabel", features)


def _only(name: str, found: list[str], usual: str, what: str, features: Mapping[str, Any]) -> str:
    if usual in found:
        return usual
    if len(found) != 1:
        told = f"has several columns {what} ({', '.join(found)})" if found else f"has none {what}"
        raise ValueError(
            f"data.source hf:{name} {told}: name the one that is meant '{usual}'; its columns are "
            f"{', '.join(features)}"
        )
    return found[0]


def _is(kind: Any, name: str) -> bool:
    return type(kind).__name__ == name


def _numbers(name: str, parts: Parts, column: str) -> tuple[Tensor, tuple[str, ...]]:
    """A column as numbers of its names."""
    kind = parts["train"].features[column]
    unknown = (-1, "") if _is(kind, "ClassLabel") else ("",)
    values = [value for part in parts.values() for value in part[column]]
    missing = [
        f"{split}, row {row}"
        for split, part in parts.items()
        for row, value in enumerate(part[column])
        if _is_missing(value) or value in unknown
    ]
    if missing:
        raise ValueError(
            f"data.source hf:{name} has no {column} in {len(missing)} of {len(values)} rows, the "
            f"first: {missing[0]}; leave them out"
        )
    if _is(kind, "ClassLabel"):
        return torch.tensor(values), tuple(kind.names)
    names = sorted(set(values))
    place = {value: number for number, value in enumerate(names)}
    return torch.tensor([place[value] for value in values]), tuple(map(str, names))


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _images(
    name: str, parts: Parts, image: str, mask: str | None, size: int, memory: int
) -> LazyImages:
    """Images that are fetched in the order asked for, and decoded in threads."""
    from datasets import Image

    columns = [image] if mask is None else [image, mask]
    raw = []
    for part in parts.values():
        own = part.select_columns(columns)
        for column in columns:
            own = own.cast_column(column, Image(decode=False))
        raw.append(own)
    splits, starts = list(parts), numpy.cumsum([0, *map(len, raw)])

    def decode_row(fetched: tuple[str, Mapping[str, Any]]) -> Tensor:
        where, row = fetched
        try:
            pixels, full_size = decode_photo(_content(row[image]), size, "the image")
            channels = [pixels]
            if mask is not None:
                found = decode_mask(_content(row[mask]), full_size, "the mask")
                channels.append(fit_mask(found, size))
        except Unusable as error:
            raise ValueError(f"data.source hf:{name}, {where}: {error}") from error
        return stacked(channels)

    def decode_batch(places: Sequence[int]) -> Iterator[Tensor]:
        rows = []
        for place in places:
            part = int(numpy.searchsorted(starts, place, "right")) - 1
            row = int(place - starts[part])
            rows.append((f"{splits[part]}, row {row}", raw[part][row]))
        yield from in_threads(decode_row, rows)

    return LazyImages(int(starts[-1]), size, mask is not None, decode_batch, memory)


def _content(value: Mapping[str, Any] | None) -> bytes:
    """The bytes of an image that is not decoded: in the table, or in a file that it names."""
    if value is None:
        raise Unusable("the image or its mask is missing")
    content: bytes | None = value["bytes"]
    return read_bytes(Path(value["path"])) if content is None else content
