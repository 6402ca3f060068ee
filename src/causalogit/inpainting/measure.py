"""How well a fill continues the background: where it is known what was there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from causalogit.augment import Fill
from causalogit.augment.inpainters import covering_masks
from causalogit.data import Split
from causalogit.inpainting.holes import drawn_holes

_BATCH = 64


@dataclass(frozen=True)
class Reconstruction:
    """Distance of what was painted from what was there, over the pixels of all holes.

    Attributes:
        l1: mean absolute difference, in pixel values.
        psnr: peak signal-to-noise ratio, in dB; more is better.
        pixels: how many were compared.
    """

    l1: float
    psnr: float
    pixels: int


def reconstruction(fill: Fill, split: Split, seed: int, most: int = 512) -> Reconstruction:
    """Cut holes into the backgrounds of held-out images, in the shapes of their objects.

    Objects are covered as well, and not compared: no fill is asked to paint one. The holes follow
    from the seed alone, so all fills have the same.

    Args:
        fill: to be measured.
        split: N images with masks.
        seed: of the holes, and of the fill's own draws.
        most: images that are looked at.

    Raises:
        ValueError: the images have no masks, or no background at all.
    """
    draws = torch.Generator().manual_seed(seed)
    own = torch.Generator().manual_seed(seed)
    absolute = squared = 0.0
    pixels = 0
    for places in torch.arange(min(most, len(split))).split(_BATCH):
        batch = split.batch(places)
        if batch.masks is None:
            raise ValueError("reconstruction needs to know where the objects are: give masks")
        objects = covering_masks((batch.masks > 0).float())
        holes = drawn_holes(batch.masks, draws)
        filled = fill(batch.images, torch.maximum(objects, holes), batch.labels, own)
        compared = holes * (1 - objects)
        away = ((filled - batch.images) * compared).double()
        absolute += away.abs().sum().item()
        squared += away.square().sum().item()
        pixels += int(compared.sum()) * batch.images.shape[1]
    if not pixels:
        raise ValueError("the images have no background to look at: their masks cover all of it")
    noise = squared / pixels
    return Reconstruction(absolute / pixels, -10 * math.log10(noise) if noise else math.inf, pixels)
