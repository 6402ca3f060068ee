"""From a config to four disjoint splits: read, carve, lay the biases on, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from causalogit.augment import box_masks, dilate_masks
from causalogit.config import DataConfig
from causalogit.data.batch import Split
from causalogit.data.biases import (
    PAINTS,
    assign_attributes,
    colour_names,
    long_tailed,
    long_tailed_attributes,
    noisy_labels,
    transition_matrix,
)
from causalogit.data.carve import PerClass, Size, carve
from causalogit.data.describe import describe, describe_origins
from causalogit.data.images import Changed, Masked
from causalogit.data.samples import Samples
from causalogit.data.sources import find_source
from causalogit.data.transforms import TRANSFORMS

_MEAN_OF = 2**24  # values of training images that the mean colour is taken from, at most


@dataclass(frozen=True)
class Data:
    """The four splits of a data set; no sample is in two of them.

    Attributes:
        train, meta, validation, test: the splits.
        class_names: one a class.
        attribute_names: one an attribute; a single one where there are no attributes.
        object_name: what an image shows, as one word.
        mean: mean colour of the training images, `(K,)`.
        name: the source and its biases in words.
        origins: where each split came from, in words.
    """

    train: Split
    meta: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    object_name: str
    mean: Tensor
    name: str
    origins: Mapping[str, str]

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def num_groups(self) -> int:
        """Classes times attributes."""
        return self.num_classes * len(self.attribute_names)

    @property
    def channels(self) -> int:
        """K."""
        return self.train.images.shape[0]

    @property
    def class_counts(self) -> Tensor:
        """Training images of each class, by their labels, `(C,)`."""
        return torch.bincount(self.train.labels, minlength=self.num_classes)

    @property
    def group_counts(self) -> Tensor:
        """Training images of each group, `(G,)`."""
        return torch.bincount(self.train.groups, minlength=self.num_groups)


def build_data(config: DataConfig, seed: int) -> Data:
    """Read the source, split it, lay the biases on the splits.

    Only training images get long tails, wrong labels and other masks than exact ones (a meta set
    that is drawn like training shares the former two). Validation and test are balanced over the
    attributes that are laid on; under the protocol "clt" they have training's long tail of them.

    Raises:
        ValueError: the source is not known, or the sizes or biases do not fit it.
    """
    source = find_source(config.source)
    config = source.fill_in(config)
    samples = source.load(config)
    generator = torch.Generator().manual_seed(seed)
    places = _split(samples, config, generator)
    pool = places["train"]
    places["train"] = pool[_long_tail(samples.labels[pool], config, generator)]
    attributes, names = _attributes(samples, places, config, generator)
    splits = {
        name: _lay_on(samples, config, index, attributes[name], len(names))
        for name, index in places.items()
    }
    matrix = transition_matrix(config.noise.kind, config.noise.rate, samples.num_classes, generator)
    splits["train"] = _with_noise(splits["train"], config, matrix, len(names), generator)
    splits |= _meta_set(splits, config, matrix, len(names), samples.num_classes, generator)
    splits = _with_masks(splits, config)
    transform = TRANSFORMS[config.transform]
    for name in ("train", "meta"):
        splits[name] = replace(splits[name], transform=transform)
    return Data(
        **splits,
        class_names=samples.class_names,
        attribute_names=names,
        object_name=samples.object_name,
        mean=_mean_colour(splits["train"]),
        name=describe(config),
        origins=describe_origins(config, splits, samples),
    )


def _split(samples: Samples, config: DataConfig, generator: torch.Generator) -> dict[str, Tensor]:
    """Places of every split: the source's own where it has one, else carved out of training."""
    wanted: dict[str, Size | None] = {
        "meta": None,
        "validation": config.validation_size,
        "test": config.test_size,
    }
    if config.meta.drawn == "balanced" and not len(samples.part("meta")):
        wanted["meta"] = PerClass(config.meta.per_class or 1)
    groups, names = samples.labels, samples.class_names
    if samples.attributes is not None:
        groups = groups * len(samples.attribute_names) + samples.attributes
        names = tuple(f"{a}, {b}" for a in samples.class_names for b in samples.attribute_names)
    part = partial(
        carve, generator=generator, names=names, attributes=len(names) // samples.num_classes
    )
    places: dict[str, Tensor] = {}
    from_train: dict[str, Size] = {}
    shares = {"validation": 0.1, "test": 0.2}
    for name, size in wanted.items():
        own = samples.part(name)
        if len(own) and isinstance(size, int) and name != "meta":
            own = own[part(groups[own], {name: size})[name]]
        if len(own):
            places[name] = own
        elif size is not None or name in shares:
            from_train[name] = shares[name] if size is None else size
    if config.meta.taken_from == "validation" and "meta" in from_train:
        if "validation" not in places:
            raise ValueError(
                f"data.meta.taken_from is 'validation', but {config.source} has no validation "
                "images of its own: set it to 'train'"
            )
        pool = places["validation"]
        parts = part(groups[pool], {"meta": from_train.pop("meta")})
        places["meta"], places["validation"] = pool[parts["meta"]], pool[parts["rest"]]
    pool = samples.part("train")
    carved = part(groups[pool], from_train)
    places |= {("train" if name == "rest" else name): pool[own] for name, own in carved.items()}
    order = ("meta", "validation", "test", "train")
    return {name: places[name] for name in order if name in places}


def _long_tail(labels: Tensor, config: DataConfig, generator: torch.Generator) -> Tensor:
    """Which training images stay, `(M,)`."""
    ratio, largest = config.long_tail.ratio, config.largest_class
    if config.attribute.ratio > 1 and config.attribute.protocol == "alt":
        # as many images as under the other protocols, but the same of every class
        counts = torch.bincount(labels)
        total = len(long_tailed(labels, largest, ratio))
        return long_tailed(labels, total // len(counts), 1)
    if ratio == 1 and largest is None:
        return torch.arange(len(labels))
    order = None
    if config.long_tail.order == "shuffled":
        order = torch.randperm(len(torch.bincount(labels)), generator=generator)
    return long_tailed(labels, largest, ratio, order)


def _attributes(
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


def _lay_on(
    samples: Samples, config: DataConfig, index: Tensor, attributes: Tensor, count: int
) -> Split:
    """One split with its attributes painted on."""
    images = samples.images_at(index)
    kind = config.attribute.kind
    if kind in PAINTS:
        if kind == "background" and not images.has_masks:
            raise ValueError(
                f"coloured backgrounds need object masks, and {config.source} has none: set "
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
    return PAINTS[kind](images, masks, attributes[index], count)


def _with_noise(
    split: Split, config: DataConfig, matrix: Tensor, count: int, generator: torch.Generator
) -> Split:
    """The split with labels drawn anew; its groups follow what the labels say."""
    if config.noise.kind == "none":
        return split
    labels = noisy_labels(split.labels, matrix, generator)
    groups = labels * count + split.groups % count
    return replace(split, labels=labels, groups=groups, true_labels=split.labels)


def _meta_set(
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
            "meta": _with_noise(meta, config, matrix, count, generator) if like_training else meta
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


def _with_masks(splits: Mapping[str, Split], config: DataConfig) -> dict[str, Split]:
    """Training images with the masks that the config gives them."""
    splits = dict(splits)
    if config.masks == "centre":
        for name in ("train", "meta"):
            split = splits[name]
            splits[name] = replace(split, images=Masked(split.images, centre_boxes))
    elif config.masks != "exact":
        split = splits["train"]
        if not split.has_masks:
            raise ValueError(
                f"data.masks is '{config.masks}', but {config.source} has no masks: set it to "
                "'centre' for a box in the middle of every image"
            )
        change = box_masks if config.masks == "box" else partial(dilate_masks, radius=2)
        splits["train"] = replace(split, images=Masked(split.images, change))
    return splits


def centre_boxes(masks: Tensor) -> Tensor:
    """A box over the middle three quarters of every image: photographers centre their objects."""
    height, width = masks.shape[2:]
    boxes = torch.zeros_like(masks)
    boxes[:, :, height // 8 : height - height // 8, width // 8 : width - width // 8] = 1
    return boxes


def _mean_colour(split: Split) -> Tensor:
    """Mean of the training images, `(K,)`; of every n-th where there are very many."""
    values = len(split) * split.images.shape[0] * split.images.shape[1] * split.images.shape[2]
    index = torch.arange(0, len(split), -(-values // _MEAN_OF))
    if len(index) == len(split):
        return split.everything().images.mean((0, 2, 3))
    parts = [split.batch(own).images.double().mean((2, 3)) for own in index.split(256)]
    return torch.cat(parts).mean(0).float()
