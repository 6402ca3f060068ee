"""Where an inpainter has to paint."""

from __future__ import annotations

import torch
from torch import Tensor

from causalogit.augment.masks import check_masks, dilate_masks


def covering_masks(masks: Tensor) -> Tensor:
    """Masks that cover an object with a thin rim: its soft edge, and what a mask has missed.

    The rim is a 32nd of the image's shorter side, none below 32 pixels. Without it, an inpainted
    photo still shows a line where the object was, and its colours are carried on inside.

    Args:
        masks: `(B, 1, H, W)` in [0, 1]; whatever is above 0 is object.

    Returns:
        Masks of 0 and 1, of the shape and dtype given.
    """
    return dilate_masks((masks > 0).to(masks.dtype), min(masks.shape[2:]) // 32)


def holes_of(images: Tensor, masks: Tensor) -> Tensor:
    """The objects, as crisp holes; see `covering_masks` for masks whose edges are soft or tight.

    Args:
        images: `(B, K, H, W)`.
        masks: `(B, 1, H, W)` in [0, 1]; whatever is above 0 is object.

    Returns:
        Holes `(B, 1, H, W)`, 0 and 1, float32.

    Raises:
        ValueError: masks that `check_masks` refuses, or images of neither 1 nor 3 channels.
    """
    if images.shape[1] not in (1, 3):
        raise ValueError(f"images of {images.shape[1]} channels: inpainting takes 1 or 3")
    return (check_masks(images, masks) > 0).to(torch.float32)
