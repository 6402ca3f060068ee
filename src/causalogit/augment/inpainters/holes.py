"""Where an inpainter has to paint."""

from __future__ import annotations

import torch
from torch import Tensor

from causalogit.augment.masks import check_masks, dilate_masks


def holes_of(images: Tensor, masks: Tensor) -> Tensor:
    """The objects with a thin rim, whose colours must not be carried on into the holes.

    The rim is a 32nd of the image's shorter side, none below 32 pixels.

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
    holes = (check_masks(images, masks) > 0).to(torch.float32)
    return dilate_masks(holes, min(images.shape[2:]) // 32)
