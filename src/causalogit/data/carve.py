"""Disjoint random parts of a pool of samples, each with every group in the same share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Size = int | float
"""Images in all, alike for every group (int), or a share of every group (float)."""


def carve(
    groups: Tensor, sizes: Mapping[str, Size], generator: torch.Generator
) -> dict[str, Tensor]:
    """Places of each part, and of the "rest" that nobody asked for.

    Args:
        groups: `(N,)`; whatever is to be shared evenly, classes or finer.
        sizes: of the parts.
        generator: decides who goes where.

    Raises:
        ValueError: a size is not a multiple of the number of groups, or a group is too small.
    """
    keys = groups.unique().tolist()
    for name, size in sizes.items():
        if isinstance(size, int) and size % len(keys):
            raise ValueError(
                f"the {name} set's size is {size}, which {len(keys)} classes or groups cannot "
                f"share evenly: give a multiple of {len(keys)}"
            )
    parts: dict[str, list[Tensor]] = {name: [] for name in (*sizes, "rest")}
    for key in keys:
        own = torch.nonzero(groups == key).squeeze(1)
        counts = [
            size // len(keys) if isinstance(size, int) else max(1, round(size * len(own)))
            for size in sizes.values()
        ]
        if sizes and sum(counts) >= len(own):
            raise ValueError(
                f"class or group {key} has {len(own)} images, but {', '.join(sizes)} ask for "
                f"{sum(counts)}: make them smaller, so that some are left"
            )
        own = own[torch.randperm(len(own), generator=generator)]
        pieces = own.split([*counts, len(own) - sum(counts)])
        for name, piece in zip(parts, pieces, strict=True):
            parts[name].append(piece)
    return {name: torch.cat(pieces) for name, pieces in parts.items()}
