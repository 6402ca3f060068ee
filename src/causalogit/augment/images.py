"""Counterfactual images (the object removed) and factual ones (the background replaced).

Source: metadata augmentation of arXiv 2505.15246, after Chang et al., CVPR 2021, "Towards Robust
Classification Model by Counterfactual and Invariant Data Generation".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from causalogit.augment.fills import Fill
from causalogit.augment.masks import MaskTransform, check_masks


def counterfactual(images: Tensor, masks: Tensor, fill_images: Tensor) -> Tensor:
    """CF(x) = (1 - r) x + r fill: the image without its object.

    Bit for bit the image where the mask r is 0, and the fill where it is 1. So an empty mask gives
    the image back, and a full one the fill.

    Args:
        images: `(B, C, H, W)`, x.
        masks: As `check_masks` takes them, r.
        fill_images: `(B, C, H, W)`, of the images' dtype.

    Returns:
        Images `(B, C, H, W)`.

    Raises:
        ValueError: Masks that `check_masks` refuses, or fill images of another shape or dtype.
    """
    return _blend(images, fill_images, check_masks(images, masks))


def factual(images: Tensor, masks: Tensor, fill_images: Tensor) -> Tensor:
    """F(x) = r x + (1 - r) fill: the object on another background.

    Bit for bit the image where the mask r is 1, and the fill where it is 0. So an empty mask gives
    the fill, and a full one the image back. Shapes and errors are those of `counterfactual`.
    """
    return _blend(fill_images, images, check_masks(images, masks))


def _blend(outside: Tensor, inside: Tensor, masks: Tensor) -> Tensor:
    if outside.shape != inside.shape or outside.dtype != inside.dtype:
        raise ValueError(
            f"images and fill images differ: shapes {tuple(outside.shape)} and "
            f"{tuple(inside.shape)}, types {outside.dtype} and {inside.dtype}; "
            "a fill returns images like those it is given"
        )
    mixed = (1 - masks) * outside + masks * inside
    # Arithmetic alone would lose -0.0 and let a NaN or infinity of the hidden side through.
    return torch.where(masks == 0, outside, torch.where(masks == 1, inside, mixed))


@dataclass(frozen=True)
class Counterfactual:
    """Counterfactual images by one fill; see `counterfactual`.

    Attributes:
        fill: What takes the object's place.
        masks: Applied to the masks first, such as `box_masks`. Fill and blend both see the
            transformed masks; None leaves them as they are.
    """

    fill: Fill
    masks: MaskTransform | None = None

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Images `(B, C, H, W)`; arguments as in `Fill`, masks as `check_masks` takes them."""
        masks = _prepare(images, masks, self.masks)
        return counterfactual(images, masks, self.fill(images, masks, labels, generator))


@dataclass(frozen=True)
class Factual:
    """Factual images by one fill; see `factual`.

    Attributes:
        fill: What takes the background's place.
        masks: As in `Counterfactual`.
    """

    fill: Fill
    masks: MaskTransform | None = None

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Images `(B, C, H, W)`; arguments as in `Fill`, masks as `check_masks` takes them."""
        masks = _prepare(images, masks, self.masks)
        return factual(images, masks, self.fill(images, masks, labels, generator))


@dataclass(frozen=True)
class Restyled(Counterfactual):
    """Images of the same objects with another colour or texture, for attributes that are no places.

    The blend is that of `Counterfactual`, with a fill that keeps the object: `Greyscale`,
    `Recolour`, `Smooth` or `Retexture`. So it takes the part of `Factual`: the label holds.
    """


def _prepare(images: Tensor, masks: Tensor, transform: MaskTransform | None) -> Tensor:
    masks = check_masks(images, masks)
    return masks if transform is None else transform(masks)
