"""GrabCut (Rother et al. 2004): from a box around an object to its outline."""

from __future__ import annotations

from typing import Any, Final

import numpy
import torch
from torch import Tensor

_ITERATIONS = 5
LEAST_OF_BOX: Final = 0.02
"""What is found inside of a box is no object below this share of it."""


def grabcut(image: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """The object inside of a box, by its colours and those around the box.

    Args:
        image: `(3, H, W)`, 8 bits.
        box: (x0, y0, x1, y1), x1 and y1 excluded, in pixels.

    Returns:
        Mask `(H, W)` of 0 and 1; empty where there is nothing around the box to compare with, or
        where less than a fiftieth of the box looks different from it.

    Raises:
        ValueError: OpenCV is not installed.
    """
    cv2 = _opencv()
    pixels = numpy.ascontiguousarray(image.permute(1, 2, 0).numpy()[..., ::-1])
    x0, y0, x1, y1 = box
    kinds = numpy.full(pixels.shape[:2], cv2.GC_BGD, numpy.uint8)
    kinds[y0:y1, x0:x1] = cv2.GC_PR_FGD
    empty = torch.zeros(image.shape[1:])
    if (kinds == cv2.GC_PR_FGD).all():
        return empty
    cv2.setRNGSeed(0)  # of this thread's clustering: what came before must not matter
    models = [numpy.zeros((1, 65)) for _ in range(2)]
    cv2.grabCut(pixels, kinds, (0, 0, 0, 0), *models, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    found = torch.from_numpy((kinds == cv2.GC_FGD) | (kinds == cv2.GC_PR_FGD)).float()
    return found if found.sum() >= LEAST_OF_BOX * (x1 - x0) * (y1 - y0) else empty


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ValueError(
            "GrabCut needs OpenCV, which is missing: pip install 'causalogit[masks]', or leave the "
            "boxes as they are with refine 'none'"
        ) from error
    return cv2
