"""How an attribute shows in an image: the background's colour, the object's colour or texture."""

from __future__ import annotations

import math
from colorsys import hsv_to_rgb

import torch
from torch import Tensor

_PERIOD = 4.0  # pixels of a stripe and its gap


def palette(count: int) -> Tensor:
    """Saturated hues, evenly spaced, `(count, 3)` RGB in [0, 1]; five are those of SpuCoMNIST."""
    return torch.tensor([hsv_to_rgb(hue / count, 1.0, 1.0) for hue in range(count)])


def colour_names(count: int) -> tuple[str, ...]:
    """Words for a palette of five, numbers for any other."""
    if count == 5:
        return ("red", "lime", "sea green", "blue", "violet")
    return tuple(f"hue {round(360 * hue / count)}°" for hue in range(count))


def paint_background(images: Tensor, masks: Tensor, attributes: Tensor, count: int) -> Tensor:
    """Everything outside of the mask gets the attribute's colour; the object stays as it is.

    Args:
        images: `(B, 3, H, W)` in [0, 1].
        masks: `(B, 1, H, W)`; any value above 0 is object.
        attributes: `(B,)`, below `count`.
        count: how many attributes there are.
    """
    return torch.where(masks > 0, images, palette(count)[attributes][:, :, None, None])


def tint_object(images: Tensor, masks: Tensor, attributes: Tensor, count: int) -> Tensor:
    """The object in light of the attribute's colour; shapes as in `paint_background`."""
    tint = palette(count)[attributes][:, :, None, None]
    return torch.where(masks > 0, images * tint, images)


def stripe_object(images: Tensor, masks: Tensor, attributes: Tensor, count: int) -> Tensor:
    """The object gets stripes whose direction is the attribute; shapes as in `paint_background`."""
    height, width = images.shape[2:]
    angle = math.pi * attributes[:, None, None] / count
    rows = torch.arange(height)[None, :, None]
    columns = torch.arange(width)[None, None, :]
    phase = 2 * math.pi / _PERIOD * (angle.cos() * columns + angle.sin() * rows)
    stripes = (0.5 + 0.5 * phase.cos()).unsqueeze(1)
    return torch.where(masks > 0, images * stripes, images)


PAINTS = {"background": paint_background, "colour": tint_object, "texture": stripe_object}
