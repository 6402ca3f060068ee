"""Class imbalance: an exponential profile of class sizes (Cao et al. 2019, arXiv 1906.07413)."""

from __future__ import annotations

import torch
from torch import Tensor


def long_tail_counts(largest: int, num_classes: int, ratio: float) -> list[int]:
    """Images of each class from the largest to the smallest, `ratio` times smaller.

    n_i = floor(largest * (1 / ratio) ** (i / (C - 1))), as in the code of LDAM and those that
    followed it: CIFAR-10 at 100:1 has 12,406 images, CIFAR-100 10,847.
    """
    steps = max(1, num_classes - 1)
    return [int(largest * (1 / ratio) ** (i / steps)) for i in range(num_classes)]


def long_tailed(
    labels: Tensor,
    largest: int | None,
    ratio: float,
    order: Tensor | None = None,
    *,
    at_most: bool = False,
) -> Tensor:
    """Places of the samples that stay, `(M,)`: of each class the first, as many as the profile has.

    Args:
        labels: `(N,)`.
        largest: images of the largest class; by default as many as every class can give.
        ratio: largest class over smallest; 1 leaves all classes alike.
        order: `(C,)`, the class of each rank, largest first; by default 0 is the largest.
        at_most: take what there is of a class with too few images.

    Raises:
        ValueError: a class has too few images for the profile, or would have none.
    """
    available = torch.bincount(labels)
    smallest = int(available.min())
    classes = torch.arange(len(available)) if order is None else order
    counts = long_tail_counts(largest or smallest, len(available), ratio)
    if counts[-1] < 1:
        raise ValueError(
            f"a long tail of {ratio:g}:1 leaves no image to the smallest class: the largest has "
            f"{counts[0]}; lower data.long_tail.ratio"
        )
    kept = []
    for label, count in zip(classes.tolist(), counts, strict=True):
        own = torch.nonzero(labels == label).squeeze(1)
        if len(own) < count and not at_most:
            raise ValueError(
                f"class {label} has {len(own)} training images left, but the long tail needs "
                f"{count}: lower data.largest_class"
            )
        kept.append(own[:count])
    return torch.cat(kept)
