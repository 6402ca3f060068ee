"""The photos that an audit looks at: from a source, or from a run's own data; with masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

from causalogit.auditing.config import PhotosConfig
from causalogit.auditing.segmented import Segmented
from causalogit.config import DataConfig
from causalogit.data import Data, Images, Samples
from causalogit.data.images import Taken
from causalogit.data.sources import find_source
from causalogit.data.sources.files.photos import Photos
from causalogit.masks import Segmenter

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


def with_masks(samples: Samples, segmenter: Segmenter | None) -> Samples:
    """Samples whose objects are known: by a segmenter where one is given.

    Raises:
        ValueError: there are neither masks nor a segmenter.
    """
    if segmenter is not None:
        return replace(samples, images=Segmented(samples.images, segmenter))
    if not samples.images.has_masks:
        raise ValueError(
            "the photos have no masks: give a folder of them (data.mask_path), a table with the "
            "column mask or box, or a segmenter that finds the objects"
        )
    return samples


def file_names(images: Images) -> list[str] | None:
    """Where each photo came from; None where it came from no file."""
    if isinstance(images, Segmented):
        return file_names(images.images)
    if isinstance(images, Taken):
        names = file_names(images.base)
        return names and [names[place] for place in images.places.tolist()]
    return [str(r.image) for r in images.records] if isinstance(images, Photos) else None
