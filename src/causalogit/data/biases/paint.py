"""How an attribute shows: the background's colour or scene, the object's colour or texture."""

from __future__ import annotations

import math
from colorsys import hsv_to_rgb
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

_PERIOD = 4.0  # pixels of a stripe and its gap
_TEXTURES = 509  # a prime: no rhythm in common with classes that come in turn


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


def paint_scene(
    images: Tensor, masks: Tensor, attributes: Tensor, count: int, index: Tensor
) -> Tensor:
    """A textured background in the attribute's colour, from dark to light, another one each image.

    Args:
        images: as in `paint_background`, like all but the last.
        masks: `(B, 1, H, W)`.
        attributes: `(B,)`.
        count: how many attributes there are.
        index: `(B,)`, chooses the textures; there are 509, and then they come again.
    """
    height, width = images.shape[2:]
    texture = _textures(height, width)[index % _TEXTURES]
    colour = palette(count)[attributes][:, :, None, None]
    light = torch.lerp(colour, torch.ones(()), 0.25)
    return torch.where(masks > 0, images, light * (0.2 + 0.8 * texture))


@cache
def _textures(height: int, width: int) -> Tensor:
    """Random fields with patches of 1/3 to 1/12 of the image, `(509, 1, H, W)` in [0, 1]."""
    draws = torch.Generator().manual_seed(0)
    fields = torch.zeros(_TEXTURES, 1, height, width)
    for cells in (3, 6, 12):
        coarse = torch.randn(_TEXTURES, 1, cells, cells, generator=draws)
        fields += F.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
    low, high = fields.amin((2, 3), keepdim=True), fields.amax((2, 3), keepdim=True)
    return (fields - low) / (high - low)


PAINTS = {"background": paint_background, "colour": tint_object, "texture": stripe_object}
