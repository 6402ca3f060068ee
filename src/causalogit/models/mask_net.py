"""A small network that finds the object in an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _block(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    )


class MaskNet(nn.Module):
    """A U-Net (Ronneberger et al. 2015, arXiv 1505.04597) of three levels, 16-32-64 channels.

    It sees a field of about 40 pixels, so that larger images are looked at from further away, and
    what is found there is spread over their pixels. About 70,000 weights.

    Args:
        channels: image channels.
        side: pixels of the shorter side of what it looks at, at most.

    `forward` maps `(B, channels, H, W)` to logits of the mask, `(B, 1, H, W)`.
    """

    def __init__(self, channels: int = 3, side: int = 48) -> None:
        super().__init__()
        self.side = side
        self.down = nn.ModuleList([_block(channels, 16), _block(16, 32), _block(32, 64)])
        self.bottom = _block(64, 64)
        self.up = nn.ModuleList([_block(64 + 32, 32), _block(32 + 16, 16)])
        self.head = nn.Conv2d(16, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(B, 1, H, W)`."""
        height, width = images.shape[2:]
        scale = self.side / min(height, width)
        if scale >= 1:
            return self._looked_at(images)
        near = F.interpolate(images, (round(scale * height), round(scale * width)), mode="area")
        return F.interpolate(self._looked_at(near), (height, width), mode="bilinear")

    def _looked_at(self, images: Tensor) -> Tensor:
        levels = [self.down[0](images)]
        for block in self.down[1:]:
            levels.append(block(F.max_pool2d(levels[-1], 2, ceil_mode=True)))
        features = self.bottom(levels.pop())
        for block in self.up:
            finer = levels.pop()
            larger = F.interpolate(features, finer.shape[2:], mode="nearest")
            features = block(torch.cat([larger, finer], 1))
        logits: Tensor = self.head(features)
        return logits
