"""The inpainting network: a coarse guess, then a finer one that looks for patches to copy.

Sources: Yu et al., CVPR 2018 (arXiv 1801.07892), the two stages, dilated convolutions and
contextual attention; Yu et al., ICCV 2019 (arXiv 1806.03589), gated convolutions, since holes have
the shapes of objects. Narrower than theirs, and the first guess is not left to the network but is a
smooth one, to which both stages add, so that small sets of small images are enough to train it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.augment.inpainters.attention import contextual_attention

_GAIN = 2.5
"""Under which ELU(x) times half is as large as x, for a normal x."""


@dataclass(frozen=True)
class Settings:
    """What the network's weights belong to.

    Attributes:
        channels: of the images.
        width: channels of the first layers; twice as many after every halving.
        halvings: how often the image's sides are halved.
        rate: of the contextual attention.
    """

    channels: int
    width: int = 16
    halvings: int = 2
    rate: int = 1

    @property
    def multiple(self) -> int:
        """Sides of images are padded to a multiple of this."""
        return int(2**self.halvings) * self.rate


def settings_for(channels: int, size: int, width: int) -> Settings:
    """Settings for images of about `size` pixels of a side: attention on at most 32 x 32 places."""
    halvings = 1 if size <= 64 else 2
    places = size // 2**halvings
    return Settings(channels, width, halvings, rate=max(1, -(-places // 32)))


class GatedConv(nn.Module):
    """A convolution whose outputs are weighed by gates of their own: features `(B, C, H, W)`."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        # mirrored edges cannot be wider than the image, repeated ones can
        self.conv = nn.Conv2d(
            inputs,
            2 * outputs,
            kernel,
            stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            padding_mode="replicate",
        )
        # torch's own weights would leave a hundred-thousandth of the image after these layers
        nn.init.normal_(self.conv.weight[:outputs], std=_GAIN / math.sqrt(inputs * kernel**2))

    def forward(self, features: Tensor) -> Tensor:
        """Features of the convolution's size."""
        values, gates = self.conv(features).chunk(2, 1)
        weighed: Tensor = F.elu(values) * gates.sigmoid()
        return weighed


class InpaintingNetwork(nn.Module):
    """Two guesses at what is in the holes; see the module's sources.

    Args:
        settings: of its layers.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        deep = settings.width * 2**settings.halvings
        self.coarse = nn.Sequential(_down(settings), _context(deep), _up(settings, deep))
        self.imagine = nn.Sequential(_down(settings), _context(deep))
        self.search = _down(settings)
        self.copied = GatedConv(deep, deep)
        self.join = nn.Sequential(GatedConv(2 * deep, deep), _up(settings, deep))

    def forward(self, images: Tensor, holes: Tensor) -> tuple[Tensor, Tensor]:
        """Paint whole images, of which the holes count.

        Args:
            images: `(B, K, H, W)`, about [0, 1]; what they show in the holes is never looked at.
            holes: `(B, 1, H, W)`, 1 in the holes and 0 elsewhere.

        Returns:
            The coarse guess and the fine one, both `(B, K, H, W)`.
        """
        height, width = images.shape[2:]
        right, down = (-side % self.settings.multiple for side in (width, height))
        images, holes = (
            F.pad(values, (0, right, 0, down), mode="replicate") for values in (images, holes)
        )
        smooth = smoothed(images, holes)
        mean = smooth.mean((2, 3), keepdim=True)
        given = smooth - mean
        everywhere = torch.ones_like(holes)
        coarse = self.coarse(torch.cat([given, everywhere, holes], 1))
        seen = torch.cat([given + coarse * holes, everywhere, holes], 1)
        found = self.search(seen)
        deep_holes = F.max_pool2d(holes, 2**self.settings.halvings)
        found = self.copied(contextual_attention(found, deep_holes, rate=self.settings.rate))
        fine = self.join(torch.cat([self.imagine(seen), found], 1))
        first = smooth + coarse * holes
        second = first + fine * holes
        return first[..., :height, :width], second[..., :height, :width]


def smoothed(images: Tensor, holes: Tensor) -> Tensor:
    """Images whose holes are filled with the known colours around them, on ever coarser scales.

    Source: push-pull (Gortler et al., SIGGRAPH 1996, "The Lumigraph"). Shapes as in
    `InpaintingNetwork`; where nothing is known, the result is 0.
    """
    known = 1 - holes
    values = images.masked_fill(holes == 1, 0)
    sums = [(values, known)]
    while max(sums[-1][0].shape[2:]) > 1:
        coarser = (F.avg_pool2d(part, 2, ceil_mode=True, divisor_override=1) for part in sums[-1])
        sums.append((next(coarser), next(coarser)))
    filled = torch.zeros_like(sums[-1][0])
    for total, count in reversed(sums):
        size = list(total.shape[2:])
        filled = F.interpolate(filled, size, mode="bilinear", align_corners=False)
        filled = torch.where(count > 0, total / count.clamp_min(1), filled)
    return filled


def _down(settings: Settings) -> nn.Sequential:
    width = settings.width
    layers = [GatedConv(settings.channels + 2, width, 5)]
    for _ in range(settings.halvings):
        layers += [GatedConv(width, 2 * width, 3, stride=2), GatedConv(2 * width, 2 * width)]
        width *= 2
    return nn.Sequential(*layers)


def _context(width: int) -> nn.Sequential:
    return nn.Sequential(*(GatedConv(width, width, dilation=wide) for wide in (2, 4, 8, 1)))


def _up(settings: Settings, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(settings.halvings):
        layers += [nn.Upsample(scale_factor=2), GatedConv(width, width // 2)]
        width //= 2
    last = nn.Conv2d(width, settings.channels, 3, padding=1)
    for weights in last.parameters():  # so that training begins with the smooth guess
        nn.init.zeros_(weights)
    return nn.Sequential(*layers, last)
