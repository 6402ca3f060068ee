"""Holes to learn from: in the shapes of a data set's own objects, on its backgrounds."""

from __future__ import annotations

import torch
from torch import Tensor

from causalogit.augment import box_masks, shift_masks


def drawn_holes(masks: Tensor, draws: torch.Generator) -> Tensor:
    """For every image the object of the one before it, mirrored half of the time, moved anywhere.

    Half of them are the object's box, since experts are shown images without the whole box.

    Args:
        masks: `(B, 1, H, W)`; whatever is above 0 is object.
        draws: the only source of randomness, on the CPU.

    Returns:
        Holes `(B, 1, H, W)`, 0 and 1, float32; they may overlap the image's own object.
    """
    shapes = (masks > 0).float().roll(1, 0)
    count, _, height, width = shapes.shape
    boxed, flipped = (torch.rand(2, count, generator=draws) < 0.5)[:, :, None, None, None].to(
        masks.device
    )
    shapes = torch.where(flipped, shapes.flip(3), shapes)
    shapes = torch.where(boxed, box_masks(shapes), shapes)
    where = (torch.rand(count, 2, generator=draws) - 0.5) * torch.tensor([height, width])
    moves = where.round().int().tolist()
    return torch.stack([shift_masks(own, *move) for own, move in zip(shapes, moves, strict=True)])
