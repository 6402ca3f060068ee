"""One object on one scene."""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Pixels = NDArray[np.uint8]

# never beyond the values around a pixel: a sharper filter would leave a faint halo in the mask
_FILTER = Image.Resampling.BILINEAR


def paste(
    cut_out: Image.Image,
    scene: Image.Image,
    size: int,
    scales: tuple[float, float],
    draws: Random,
) -> tuple[Pixels, Pixels]:
    """Put an object at a random place of a scene, entirely inside, at a random scale.

    The scene loses its longer side's ends and is scaled to the square. The pasting is that of
    Waterbirds (GroupDRO, arXiv 1911.08731): alpha * object + (1 - alpha) * scene.

    Args:
        cut_out: `RGBA`, cropped to the object.
        scene: `RGB`.
        size: side of the image, in pixels.
        scales: the object's longest side is drawn between these shares of `size`.
        draws: scale, column and row are drawn, in this order.

    Returns:
        The image `(size, size, 3)`, and the mask `(size, size)`: the alpha where it was pasted.
    """
    smallest, largest = scales
    longest = (smallest + (largest - smallest) * draws.random()) * size
    width, height = (max(1, round(side * longest / max(cut_out.size))) for side in cut_out.size)
    left = int(draws.random() * (size - width + 1))
    top = int(draws.random() * (size - height + 1))
    # Pillow weighs colours with their alpha here, so that hidden pixels do not bleed into the edge
    placed = Image.new("RGBA", (size, size))
    placed.paste(cut_out.resize((width, height), _FILTER), (left, top))
    fitted = ImageOps.fit(scene, (size, size), _FILTER)
    return blend(np.asarray(placed), np.asarray(fitted))


def blend(placed: Pixels, scene: Pixels) -> tuple[Pixels, Pixels]:
    """Alpha-blend, rounded to the nearest whole value.

    Args:
        placed: the object with its alpha, `(H, W, 4)`.
        scene: `(H, W, 3)`.

    Returns:
        The image `(H, W, 3)` and the mask `(H, W)`.
    """
    alpha = placed[:, :, 3:].astype(np.uint32)
    mixed = alpha * placed[:, :, :3] + (255 - alpha) * scene
    return ((mixed + 127) // 255).astype(np.uint8), placed[:, :, 3].copy()
