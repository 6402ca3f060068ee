"""Random crops and flips of whole batches; masks move with their images.

Written on tensors, with a generator, because library transforms draw from the global random state
(a run could not go on where it was killed) and one image at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Transform = Callable[
    [Tensor, Tensor | None, torch.Generator],
    tuple[Tensor, Tensor | None],
]
"""`(images (B, K, H, W), masks (B, 1, H, W) or None, generator) -> (images, masks)`."""


def pad_crop_flip(
    images: Tensor, masks: Tensor | None, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Crop the image's own size out of it padded by an eighth on each side; flip half of them.

    At 32 pixels these are the four pixels of padding that CIFAR is trained with; as in
    Meta-Weight-Net's code they mirror the image.
    """
    height, width = images.shape[2:]
    pad = max(1, height // 8)
    top, left = torch.randint(2 * pad + 1, (2, len(images)), generator=generator)
    flip = torch.rand(len(images), generator=generator) < 0.5
    rows = top[:, None] + torch.arange(height)
    columns = torch.arange(width).expand(len(images), width)
    columns = left[:, None] + torch.where(flip[:, None], columns.flip(1), columns)
    sample = torch.arange(len(images))[:, None, None]

    def cropped(values: Tensor) -> Tensor:
        padded = F.pad(values, (pad, pad, pad, pad), mode="reflect").permute(0, 2, 3, 1)
        return padded[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

    return cropped(images), None if masks is None else cropped(masks)


def zoom_crop_flip(
    images: Tensor, masks: Tensor | None, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Crop a random part, 25 to 100 % of the area, resize it to the whole; flip half of them."""
    count = len(images)
    area = 0.25 + 0.75 * torch.rand(count, generator=generator)
    scale = area.sqrt()
    x, y = (2 * torch.rand(2, count, generator=generator) - 1) * (1 - scale)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = scale * flip, x
    theta[:, 1, 1], theta[:, 1, 2] = scale, y

    def cropped(values: Tensor) -> Tensor:
        grid = F.affine_grid(theta, list(values.shape), align_corners=False)
        return F.grid_sample(values, grid, padding_mode="reflection", align_corners=False)

    return cropped(images).clamp(0, 1), None if masks is None else cropped(masks).clamp(0, 1)


TRANSFORMS: dict[str, Transform | None] = {
    "none": None,
    "pad_crop_flip": pad_crop_flip,
    "zoom_crop_flip": zoom_crop_flip,
}
