"""Which sample goes to which split, and which of them stay under a long tail."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from causalogit.config import DataConfig
from causalogit.data.biases import long_tailed
from causalogit.data.carve import PerClass, Size, carve
from causalogit.data.samples import Samples


def split_places(
    samples: Samples, config: DataConfig, generator: torch.Generator
) -> dict[str, Tensor]:
    """Places of every split: the source's own where it has one, else carved out of training.

    Raises:
        ValueError: the config asks for what the source cannot give.
    """
    if not len(samples.part("train")):
        raise ValueError(f"{config.source} has no training images: give some the split 'train'")
    if config.meta.drawn == "like_training" and len(samples.part("meta")):
        raise ValueError(
            f"data.meta.drawn is 'like_training', but {config.source} has meta images of its own, "
            "which are used as they are: leave it out, or take them out of the source"
        )
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
        if len(own) and isinstance(size, int) and size != len(own):
            own = own[part(groups[own], {name: size}, use_up=True)[name]]
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


def keep_long_tail(
    pool: Tensor, samples: Samples, config: DataConfig, generator: torch.Generator
) -> Tensor:
    """Which of the training places `(N,)` stay under the long tail, `(M,)`."""
    ratio, largest = config.long_tail.ratio, config.largest_class
    classes_alike = config.attribute.ratio > 1 and config.attribute.protocol == "alt"
    if ratio == 1 and largest is None and not classes_alike:
        return pool
    if samples.attributes is not None:  # they lie group by group, and the first of a class stay
        pool = pool[torch.randperm(len(pool), generator=generator)]
    labels = samples.labels[pool]
    if classes_alike:  # as many images as under the other protocols, but the same of every class
        total = len(long_tailed(labels, largest, ratio))
        return pool[long_tailed(labels, total // samples.num_classes, 1)]
    order = None
    if config.long_tail.order == "shuffled":
        order = torch.randperm(samples.num_classes, generator=generator)
    return pool[long_tailed(labels, largest, ratio, order, at_most=ratio == 1)]
