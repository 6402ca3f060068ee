"""Inpainting by OpenCV: the colours around a hole are carried on into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy
import torch
from torch import Tensor

from causalogit.augment.fills import Fill, Grey
from causalogit.augment.inpainters.holes import holes_of


@dataclass(frozen=True)
class OpenCv:
    """The image with its object painted over by `cv2.inpaint`, at 8 bits; nothing is drawn.

    Sources: Telea, 2004, "An Image Inpainting Technique Based on the Fast Marching Method";
    Bertalmio et al., CVPR 2001, "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting".

    Attributes:
        method: whose.
        radius: of the neighbourhood that a pixel is made from, in pixels.
        fallback: fills images of which nothing is known.

    Raises:
        ValueError: OpenCV is not installed, or the radius is not positive.
    """

    method: Literal["telea", "navier_stokes"] = "telea"
    radius: float = 3.0
    fallback: Fill = field(default_factory=Grey)

    def __post_init__(self) -> None:
        _opencv()
        if self.radius <= 0:
            raise ValueError(f"OpenCv's radius is {self.radius:g} pixels: give a positive one")

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images; see `Fill`. Images of 1 or 3 channels in [0, 1]."""
        for side in (2, 3):  # of one row or column, OpenCV reads what lies beyond: it gets two
            if images.shape[side] == 1:
                images, masks = (torch.cat([single, single], side) for single in (images, masks))
                return self(images, masks, labels, generator).narrow(side, 0, 1)
        cv2 = _opencv()
        flag = cv2.INPAINT_TELEA if self.method == "telea" else cv2.INPAINT_NS
        holes = holes_of(images, masks)
        pixels = (images.detach().float().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
        painted = [
            cv2.inpaint(numpy.ascontiguousarray(image), hole, self.radius, flag)
            for image, hole in zip(
                pixels.permute(0, 2, 3, 1).numpy(),
                holes[:, 0].to("cpu", torch.uint8).numpy(),
                strict=True,
            )
        ]
        height, width = images.shape[2:]
        found = torch.from_numpy(numpy.stack(painted)).view(len(images), height, width, -1)
        filled = torch.where(
            holes == 1, found.permute(0, 3, 1, 2).to(images.device).float() / 255, images.float()
        ).to(images.dtype)
        nothing = (holes == 1).flatten(1).all(1)[:, None, None, None]
        return torch.where(nothing, self.fallback(images, masks, labels, generator), filled)


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ValueError(
            "the fill opencv needs OpenCV, which is missing: pip install 'causalogit[masks]', or "
            "choose the fill tile"
        ) from error
    return cv2
