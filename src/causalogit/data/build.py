"""From a config to four disjoint splits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from causalogit.augment import box_masks, dilate_masks
from causalogit.config import DataConfig
from causalogit.data.batch import Split
from causalogit.data.biases import COLOURS, coloured_backgrounds
from causalogit.data.sources import SOURCES


@dataclass(frozen=True)
class Data:
    """The four splits of a data set; no sample is in two of them.

    Attributes:
        train, meta, validation, test: the splits.
        num_classes: C.
        num_groups: classes times backgrounds.
        mean: mean colour of the training images, `(K,)`.
        name: the source and its bias in words.
    """

    train: Split
    meta: Split
    validation: Split
    test: Split
    num_classes: int
    num_groups: int
    mean: Tensor
    name: str

    @property
    def class_counts(self) -> Tensor:
        """Training images of each class, `(C,)`."""
        return torch.bincount(self.train.labels, minlength=self.num_classes)

    @property
    def group_counts(self) -> Tensor:
        """Training images of each group, `(G,)`."""
        return torch.bincount(self.train.groups, minlength=self.num_groups)


def split_indices(
    labels: Tensor, sizes: dict[str, int], generator: torch.Generator
) -> dict[str, Tensor]:
    """Disjoint random splits, each with every class in the same share; the rest is "train".

    Args:
        labels: `(N,)`.
        sizes: images of every split but "train".
        generator: decides who goes where.

    Raises:
        ValueError: a size is not a multiple of the number of classes, or a class is too small.
    """
    classes = labels.unique().tolist()
    for name, size in sizes.items():
        if size % len(classes):
            raise ValueError(
                f"data.{name}_size is {size}, which {len(classes)} classes cannot share evenly: "
                f"give a multiple of {len(classes)}"
            )
    parts: dict[str, list[Tensor]] = {name: [] for name in (*sizes, "train")}
    for label in classes:
        own = torch.nonzero(labels == label).squeeze(1)
        counts = [size // len(classes) for size in sizes.values()]
        if sum(counts) >= len(own):
            raise ValueError(
                f"class {label} has {len(own)} images, but meta, validation and test ask for "
                f"{sum(counts)}: make them smaller, so that some are left to train on"
            )
        own = own[torch.randperm(len(own), generator=generator)]
        pieces = own.split([*counts, len(own) - sum(counts)])
        for name, piece in zip(parts, pieces, strict=True):
            parts[name].append(piece)
    return {name: torch.cat(pieces) for name, pieces in parts.items()}


def build_data(config: DataConfig, seed: int) -> Data:
    """Read the source, split it, lay the bias on each split.

    Training images get the correlation of the config; validation and test are balanced over the
    groups; the meta set is balanced too or drawn like training, as the config says. Masks of the
    meta set, of validation and of test stay exact.

    Raises:
        ValueError: the source is not known, or the sizes do not fit it.
    """
    if config.source not in SOURCES:
        raise ValueError(
            f"data.source '{config.source}' is not known: choose among {sorted(SOURCES)}"
        )
    samples = SOURCES[config.source]()
    generator = torch.Generator().manual_seed(seed)
    sizes = {
        "meta": config.meta_size,
        "validation": config.validation_size,
        "test": config.test_size,
    }
    balanced = 1 / len(COLOURS)
    correlations = {
        "train": config.correlation,
        "meta": config.correlation if config.meta == "biased" else balanced,
        "validation": balanced,
        "test": balanced,
    }
    splits = {
        name: coloured_backgrounds(samples.take(index), correlations[name], generator)
        for name, index in split_indices(samples.labels, sizes, generator).items()
    }
    splits["train"] = _with_masks(splits["train"], config.masks)
    return Data(
        **splits,
        num_classes=samples.num_classes,
        num_groups=samples.num_classes * len(COLOURS),
        mean=splits["train"].images.mean((0, 2, 3)),
        name=_describe(config),
    )


def _describe(config: DataConfig) -> str:
    name = f"{config.source}, background correlation {config.correlation:g}"
    if config.masks != "exact":
        name += f", {config.masks} masks"
    return name + (", biased meta set" if config.meta == "biased" else "")


def _with_masks(split: Split, kind: str) -> Split:
    if split.masks is None or kind == "exact":
        return split
    masks = box_masks(split.masks) if kind == "box" else dilate_masks(split.masks, radius=2)
    return Split(split.images, split.labels, masks, split.groups)
