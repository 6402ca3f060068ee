"""The critic: which patches of an image are painted?

Source: SN-PatchGAN of Yu et al., ICCV 2019 (arXiv 1806.03589), with the hinge loss.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class Critic(nn.Module):
    """Images in, one score for every patch out; more for true ones.

    Objects are covered, in true images and painted ones alike: else the critic would ask for
    objects.

    Args:
        channels: of the images.
        width: channels of the first layer.
        layers: each halves the sides.
    """

    def __init__(self, channels: int, width: int, layers: int) -> None:
        super().__init__()
        sizes = [channels + 2, *(width * min(2**depth, 4) for depth in range(layers))]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(
                    spectral_norm(nn.Conv2d(before, after, 5, 2, padding=2)), nn.LeakyReLU(0.2)
                )
                for before, after in pairwise(sizes)
            ),
            spectral_norm(nn.Conv2d(sizes[-1], 1, 3, padding=1)),
        )

    def forward(self, images: Tensor, holes: Tensor, objects: Tensor) -> Tensor:
        """Scores `(B, 1, h, w)`.

        Args:
            images: `(B, K, H, W)` in [0, 1].
            holes: `(B, 1, H, W)`, what is painted, or would be.
            objects: `(B, 1, H, W)`.
        """
        shown = (images - 0.5) * (1 - objects)
        scores: Tensor = self.layers(torch.cat([shown, holes, objects], 1))
        return scores


def critic_loss(true: Tensor, painted: Tensor) -> Tensor:
    """Hinge: true patches above 1, painted ones below -1."""
    return F.relu(1 - true).mean() + F.relu(1 + painted).mean()
