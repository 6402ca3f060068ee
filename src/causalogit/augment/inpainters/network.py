"""The inpainting network: a coarse guess, then a finer one that looks for patches to copy.

Sources: Yu et al., CVPR 2018 (arXiv 1801.07892), the two stages, dilated convolutions and
contextual attention; Yu et al., ICCV 2019 (arXiv 1806.03589), gated convolutions, since holes have
the shapes of objects. Narrower than theirs, and with colours relative to the mean of what is known,
so that small sets of small images are enough to train it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.augment.inpainters.attention import contextual_attention


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
        known = 1 - holes
        images = images.masked_fill(holes == 1, 0)
        mean = images.sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp_min(1)
        given = (images - mean) * known
        everywhere = torch.ones_like(holes)
        coarse = self.coarse(torch.cat([given, everywhere, holes], 1))
        seen = torch.cat([given + coarse * holes, everywhere, holes], 1)
        found = self.search(seen)
        holes = F.max_pool2d(holes, 2**self.settings.halvings)
        found = self.copied(contextual_attention(found, holes, rate=self.settings.rate))
        fine = self.join(torch.cat([self.imagine(seen), found], 1))
        first, second = ((mean + guess)[..., :height, :width] for guess in (coarse, fine))
        return first, second


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
    return nn.Sequential(*layers, nn.Conv2d(width, settings.channels, 3, padding=1))
