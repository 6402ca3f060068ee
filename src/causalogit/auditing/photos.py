"""The photos that an audit looks at: from a source, or from a run's own data; with masks."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final, Literal

import torch
from torch import Tensor

from causalogit.auditing.config import PhotosConfig
from causalogit.config import DataConfig
from causalogit.data import Data, Images, Samples
from causalogit.data.sources import find_source
from causalogit.data.sources.files.photos import records_of

MEMORY: Final = 256
"""MiB of decoded photos that are kept; those of larger sets are decoded whenever they are shown."""


def from_source(config: PhotosConfig, size: int | None = None) -> Samples:
    """The photos of a source; where it has a test split, those of that split.

    Args:
        config: which.
        size: pixels of a side that the classifier needs, where the config is silent.

    Raises:
        ValueError: the source is not known, photos cannot be used, or the split is empty.
    """
    name = config.source or ""
    source = find_source(name)
    data = source.fill_in(
        DataConfig(
            source=name,
            path=config.path,
            mask_path=config.mask_path,
            image_size=config.image_size or size,
            memory=MEMORY,
        )
    )
    samples = source.load(data)
    split = config.split or ("test" if len(samples.part("test")) else "all")
    if split == "all":
        return replace(samples, parts=None)
    places = samples.part(split)
    if not len(places):
        raise ValueError(f"{name} has no {split} photos: set data.split to another one, or to all")
    images = samples.images_at(places)  # with masks where every photo of this split has one
    return replace(samples.take(places), images=images, parts=None, masked=None)


def from_run(data: Data, split: Literal["train", "validation", "test", "meta", "all"]) -> Samples:
    """A split of a run's own data, with its true labels."""
    if split == "all":
        raise ValueError("data.split is 'all': choose one split of the data that the run was of")
    chosen = getattr(data, split)
    attributes = len(data.attribute_names)
    return Samples(
        chosen.images,
        chosen.labels if chosen.true_labels is None else chosen.true_labels,
        data.class_names,
        chosen.groups % attributes if attributes > 1 else None,
        data.attribute_names if attributes > 1 else (),
        object_name=data.object_name,
    )


def require_masks(images: Images) -> None:
    """Refuse photos of which it is not known where their objects are.

    Raises:
        ValueError: they have no masks.
    """
    if not images.has_masks:
        raise ValueError(
            "the photos have no masks: give a folder of them (data.mask_path), a table with the "
            "column mask or box, or a segmenter that finds the objects"
        )


def file_names(images: Images) -> list[str] | None:
    """Where each photo came from; None where it came from no file."""
    records = records_of(images)
    return None if records is None else [str(record.image) for record in records]


def digest_of(images: Images, labels: Tensor, batch_size: int) -> str:
    """Differs between photos, masks or labels of which something differs.

    Of files it is enough that path, size and time are the same; other photos are looked at.
    """
    digest = hashlib.blake2b(labels.numpy().tobytes(), digest_size=16)
    digest.update(repr(images.shape).encode())
    records = records_of(images)
    for record in records or ():
        digest.update(
            repr((str(record.image), str(record.mask), record.box, record.stamp)).encode()
        )
    count = len(labels)
    # of photos from files a few, for what became of them after they were decoded
    looked_at = torch.linspace(0, count - 1, min(16, count)).round().long()
    for some in (torch.arange(count) if records is None else looked_at).split(batch_size):
        for values in images.read(some):
            if values is not None:
                digest.update(values.contiguous().numpy().tobytes())
    return digest.hexdigest()
