"""Foreground masks: checked once, then made coarser on purpose.

The outline of an object gives its class away even when the object itself is filled: boxes and
dilated masks hide the silhouette.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

MaskTransform: TypeAlias = Callable[[Tensor], Tensor]
"""Masks `(B, 1, H, W)` in, masks `(B, 1, H, W)` out, such as `box_masks`."""


def check_masks(images: Tensor, masks: Tensor) -> Tensor:
    """Bring masks to the images' shape, dtype and device, or say what is wrong with them.

    Args:
        images: `(B, C, H, W)`, floating point.
        masks: `(B, H, W)` or `(B, 1, H, W)`, 1 on the object; bool, integers 0 and 1, or floats in
            [0, 1].

    Returns:
        Masks `(B, 1, H, W)`.

    Raises:
        ValueError: Images that are not floating point or not `(B, C, H, W)`, masks of another
            shape or size, or mask values that are NaN or outside [0, 1].
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"images have shape {tuple(images.shape)} and type {images.dtype}; "
            "give floating-point images of shape (B, C, H, W)"
        )
    batch, _, height, width = images.shape
    given = tuple(masks.shape)
    if given not in {(batch, height, width), (batch, 1, height, width)}:
        raise ValueError(
            f"masks have shape {given}, but images of shape {tuple(images.shape)} need masks of "
            f"shape {(batch, height, width)} or {(batch, 1, height, width)}; "
            "give one mask an image, resized like its image"
        )
    masks = masks.reshape(batch, 1, height, width)
    # Written so that NaN, which compares false with everything, counts as wrong.
    wrong = ~((masks >= 0) & (masks <= 1)).flatten(1).all(1)
    if wrong.any():
        index = int(wrong.nonzero()[0])
        mask = masks[index]
        has = "NaN" if mask.isnan().any() else f"values from {mask.min():g} to {mask.max():g}"
        raise ValueError(
            f"the mask of image {index} has {has}; a mask lies in [0, 1], 1 on the object: "
            "divide 8-bit masks by 255, and put 0 where nothing is known"
        )
    return masks.to(images)


def box_masks(masks: Tensor, threshold: float = 0.5) -> Tensor:
    """The tight bounding box of each image's object.

    Args:
        masks: `(B, 1, H, W)` or `(B, H, W)`.
        threshold: A pixel belongs to the object where its mask is above this.

    Returns:
        Masks of 0 and 1, of the shape and dtype given; a mask without object stays empty.
    """
    on = masks > threshold
    rows, columns = on.any(-1, keepdim=True), on.any(-2, keepdim=True)
    return (_between(rows, -2) & _between(columns, -1)).to(masks.dtype)


def _between(on: Tensor, dim: int) -> Tensor:
    """True from the first to the last True along `dim`."""
    reached = on.cumsum(dim) > 0
    not_passed = on.flip(dim).cumsum(dim).flip(dim) > 0
    return reached & not_passed


def dilate_masks(masks: Tensor, radius: int) -> Tensor:
    """Grow each object by `radius` pixels on every side, corners included (a square element).

    Args:
        masks: `(B, 1, H, W)` or `(B, H, W)`; soft values spread as they are.
        radius: In pixels, at least 0.

    Returns:
        Masks of the shape and dtype given.

    Raises:
        ValueError: The radius is negative.
    """
    _check_radius(radius)
    # Max-pooling knows no bool or integers; a square maximum is one along each axis in turn.
    grown = masks if masks.is_floating_point() else masks.to(torch.float32)
    grown = F.max_pool2d(grown, (2 * radius + 1, 1), stride=1, padding=(radius, 0))
    grown = F.max_pool2d(grown, (1, 2 * radius + 1), stride=1, padding=(0, radius))
    return grown.to(masks.dtype)


def erode_masks(masks: Tensor, radius: int) -> Tensor:
    """Shrink each object by `radius` pixels on every side (a square element).

    The image's border does not eat into an object that touches it. Shapes and errors as in
    `dilate_masks`.
    """
    _check_radius(radius)
    values = masks if masks.is_floating_point() else masks.to(torch.float32)
    return (1 - dilate_masks(1 - values, radius)).to(masks.dtype)


def shift_masks(masks: Tensor, rows: int, columns: int) -> Tensor:
    """Move each mask down and to the right; what leaves the image is lost, what enters is 0.

    Args:
        masks: `(B, 1, H, W)` or `(B, H, W)`.
        rows: pixels down, negative for up.
        columns: pixels to the right, negative for left.
    """
    moved = masks.roll((rows, columns), (-2, -1))
    height, width = masks.shape[-2:]
    row, column = torch.arange(height) - rows, torch.arange(width) - columns
    inside = ((row >= 0) & (row < height))[:, None] & ((column >= 0) & (column < width))
    return moved * inside.to(moved)


def _check_radius(radius: int) -> None:
    if radius < 0:
        raise ValueError(f"radius is {radius} pixels; give 0 or more")
