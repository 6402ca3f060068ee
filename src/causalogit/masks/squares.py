"""Between images of any size and the squares that a network looks at."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def as_squares(images: Tensor, side: int) -> Tensor:
    """Images `(B, 3, H, W)` in [0, 1] as `(B, 3, side, side)`; untouched if they are already.

    Raises:
        ValueError: they have another shape, or are not floating point.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise ValueError(
            f"images have shape {tuple(images.shape)} and type {images.dtype}: give floating-point "
            "images of shape (B, 3, H, W), in [0, 1]"
        )
    if images.shape[-2:] == (side, side):
        return images
    return F.interpolate(images, (side, side), mode="bicubic", antialias=True).clamp(0, 1)


def back_to_size(masks: Tensor, images: Tensor) -> Tensor:
    """Masks `(B, 1, S, S)` in the height, width and dtype of their images."""
    if masks.shape[-2:] != images.shape[-2:]:
        masks = F.interpolate(masks, images.shape[-2:], mode="bilinear", antialias=True)
    return masks.to(images.dtype)
