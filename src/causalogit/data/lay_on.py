"""Biases laid on the splits: attributes, wrong labels, the meta set's make-up, other masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from causalogit.augment import box_masks, dilate_masks, erode_masks, shift_masks
from causalogit.config import DataConfig
from causalogit.data.batch import Split
from causalogit.data.biases import (
    PAINTS,
    assign_attributes,
    colour_names,
    long_tailed_attributes,
    noisy_labels,
    paint_scene,
)
from causalogit.data.images import Changed, Masked
from causalogit.data.samples import Samples

COARSER: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "box": lambda masks, _: box_masks(masks),
    "dilated": lambda masks, _: dilate_masks(masks, 2),
    "eroded": lambda masks, _: erode_masks(masks, 2),
    "shifted": lambda masks, _: shift_masks(masks, 3, 3),
}
"""What `data.masks` makes of the exact outlines, `(masks, index) -> masks`."""


def choose_attributes(
    samples: Samples,
    places: Mapping[str, Tensor],
    config: DataConfig,
    generator: torch.Generator,
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The attribute of every image, `(N,)` a split, and the attributes' names."""
    bias = config.attribute
    if bias.kind == "none":
        if samples.attributes is None:
            return {name: torch.zeros_like(index) for name, index in places.items()}, ("all",)
        own = samples.attributes
        return {name: own[index] for name, index in places.items()}, samples.attribute_names
    if samples.attributes is not None:
        raise ValueError(
            f"{config.source} has attributes of its own: set data.attribute.kind to 'none'"
        )
    count = samples.num_classes
    assigned = {}
    for name, index in places.items():
        labels = samples.labels[index]
        as_train = name == "train" or (bias.protocol == "clt" and name != "meta")
        if bias.ratio > 1 and as_train:
            assigned[name] = long_tailed_attributes(labels, count, bias.ratio, generator)
        else:
            correlation = bias.correlation if name == "train" else 1 / count
            assigned[name] = assign_attributes(labels, count, correlation, generator)
    names = tuple(map("stripes {}".format, range(count)))
    return assigned, names if bias.kind == "texture" else colour_names(count)


def painted_split(
    samples: Samples, config: DataConfig, index: Tensor, attributes: Tensor, count: int
) -> Split:
    """One split with its attributes painted on."""
    images = samples.images_at(index)
    kind = config.attribute.kind
    if kind is not None and kind != "none":
        if kind in ("background", "scene") and not images.has_masks:
            raise ValueError(
                f"other backgrounds need object masks, and {config.source} has none: set "
                "data.attribute.kind to 'colour', 'texture' or 'none'"
            )
        paint = partial(_paint, kind=kind, attributes=attributes, count=count)
        images = Changed(images, paint)
    labels = samples.labels[index]
    return Split(images, labels, labels * count + attributes)


def _paint(
    images: Tensor,
    masks: Tensor | None,
    index: Tensor,
    *,
    kind: str,
    attributes: Tensor,
    count: int,
) -> Tensor:
    if masks is None:  # the whole image is the object
        masks = torch.ones_like(images[:, :1])
    if kind == "scene":
        return paint_scene(images, masks, attributes[index], count, index)
    return PAINTS[kind](images, masks, attributes[index], count)


def with_noise(
    split: Split, config: DataConfig, matrix: Tensor, count: int, generator: torch.Generator
) -> Split:
    """The split with labels drawn anew; its groups follow what the labels say."""
    if config.noise.kind == "none":
        return split
    labels = noisy_labels(split.labels, matrix, generator)
    groups = labels * count + split.groups % count
    return replace(split, labels=labels, groups=groups, true_labels=split.labels)


def with_meta_set(
    splits: Mapping[str, Split],
    config: DataConfig,
    matrix: Tensor,
    count: int,
    num_classes: int,
    generator: torch.Generator,
) -> dict[str, Split]:
    """The meta set, and training without it where it is drawn from there."""
    like_training = config.meta.labels == "like_training"
    if "meta" in splits:
        meta = splits["meta"]
        return {
            "meta": with_noise(meta, config, matrix, count, generator) if like_training else meta
        }
    train = splits["train"]
    size = (config.meta.per_class or 1) * num_classes
    if size >= len(train):
        raise ValueError(
            f"a meta set of {size} images leaves none of {len(train)} to train on: lower "
            "data.meta.per_class"
        )
    order = torch.randperm(len(train), generator=generator)
    meta = train.take(order[:size])
    if meta.true_labels is not None and not like_training:
        groups = meta.true_labels * count + meta.groups % count
        meta = replace(meta, labels=meta.true_labels, groups=groups, true_labels=None)
    return {"meta": meta, "train": train.take(order[size:].sort().values)}


def with_masks(
    splits: Mapping[str, Split], config: DataConfig, generator: torch.Generator
) -> dict[str, Split]:
    """Training images with the masks that the config gives them."""
    splits = dict(splits)
    if config.masks == "centre":
        for name in ("train", "meta"):
            split = splits[name]
            splits[name] = replace(split, images=Masked(split.images, centre_boxes))
    elif config.masks in COARSER:
        split = splits["train"]
        _require_masks(split, f"data.masks is '{config.masks}'", config)
        splits["train"] = replace(split, images=Masked(split.images, COARSER[config.masks]))
    if config.masked_share < 1:
        split = splits["train"]
        _require_masks(split, f"data.masked_share is {config.masked_share:g}", config)
        missing = torch.ones(len(split), dtype=torch.bool)
        order = torch.randperm(len(split), generator=generator)
        missing[order[: round(config.masked_share * len(split))]] = False
        images = Masked(split.images, partial(_all_object, missing=missing))
        splits["train"] = replace(split, images=images)
    return splits


def _require_masks(split: Split, given: str, config: DataConfig) -> None:
    if not split.has_masks:
        raise ValueError(
            f"{given}, but {config.source} has no masks: set data.masks to 'centre' for a box in "
            "the middle of every image"
        )


def _all_object(masks: Tensor, index: Tensor, *, missing: Tensor) -> Tensor:
    return torch.where(missing[index][:, None, None, None], 1.0, masks)


def centre_boxes(masks: Tensor, index: Tensor) -> Tensor:
    """A box over the middle three quarters of every image: photographers centre their objects."""
    height, width = masks.shape[2:]
    boxes = torch.zeros_like(masks)
    boxes[:, :, height // 8 : height - height // 8, width // 8 : width - width // 8] = 1
    return boxes
