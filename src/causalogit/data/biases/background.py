"""A spurious correlation: the background's colour agrees with the class in most images."""

from __future__ import annotations

from colorsys import hsv_to_rgb

import torch
from torch import Tensor

from causalogit.data.batch import Split
from causalogit.data.sources import Samples

COLOURS = torch.tensor([hsv_to_rgb(hue / 5, 1.0, 1.0) for hue in range(5)])
"""Five saturated hues, `(5, 3)` RGB: red, lime, sea green, blue, violet."""


def assign_attributes(
    labels: Tensor, attributes: int, correlation: float, generator: torch.Generator
) -> Tensor:
    """Give every sample one of `attributes`, equal to its class in a share `correlation` of it.

    The counts are exact, not drawn: of a class with n images, round(correlation * n) agree, and the
    others are spread over the remaining attributes as evenly as whole numbers allow (which of them
    get one more rotates with the class). `correlation = 1 / attributes` is the balanced case.

    Args:
        labels: `(N,)`, below `attributes`.
        attributes: how many there are.
        correlation: in [0, 1].
        generator: decides which samples get which.

    Returns:
        `(N,)`.
    """
    assigned = torch.empty_like(labels)
    for label in labels.unique().tolist():
        own = torch.nonzero(labels == label).squeeze(1)
        own = own[torch.randperm(len(own), generator=generator)]
        agreeing = round(correlation * len(own))
        rest = torch.arange(len(own) - agreeing) % max(1, attributes - 1)
        assigned[own[:agreeing]] = label
        assigned[own[agreeing:]] = (label + 1 + rest) % attributes
    return assigned


def coloured_backgrounds(samples: Samples, correlation: float, generator: torch.Generator) -> Split:
    """Paint the background, everything outside of the mask, in one of five colours.

    The rules of SpuCoMNIST: with five classes, class c goes with colour c; groups are
    class * 5 + colour. Pixels of the object stay as they are.

    Raises:
        ValueError: the source has no masks, or more than five classes.
    """
    if samples.masks is None or samples.num_classes > len(COLOURS):
        raise ValueError(
            "coloured backgrounds need object masks and at most "
            f"{len(COLOURS)} classes; this source has {samples.num_classes} classes and "
            f"{'no masks' if samples.masks is None else 'masks'}"
        )
    attributes = len(COLOURS)
    colours = assign_attributes(samples.labels, attributes, correlation, generator)
    paint = COLOURS[colours][:, :, None, None]
    images = torch.where(samples.masks > 0, samples.images, paint)
    return Split(images, samples.labels, samples.masks, samples.labels * attributes + colours)
