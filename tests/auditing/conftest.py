"""Scenes whose object and background are known, and classifiers known to go by one of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from causalogit.data import InMemory, Samples

SIDE = 24
CLASSES = ("hot", "cold")


def make_samples(count: int = 120, correlation: float = 0.5, masks: str = "exact") -> Samples:
    """Discs, red for "hot" and blue for "cold", on bright grounds (as "hot" ones are) or dark ones.

    A disc's class is in its red and blue, a ground's brightness in its green alone: what the one
    tells, the other cannot.
    """
    draws = torch.Generator().manual_seed(1)
    labels = torch.arange(count) % 2
    agree = torch.rand(count, generator=draws) < correlation
    places = torch.where(agree, labels, 1 - labels)
    rows = torch.arange(SIDE).float()
    centres = 8 + 8 * torch.rand(count, 2, generator=draws)
    distance = (rows[None, :, None] - centres[:, :1, None]) ** 2
    distance = distance + (rows[None, None] - centres[:, 1:, None]) ** 2
    disc = (distance < 25)[:, None].float()
    ground = torch.zeros(count, 3, SIDE, SIDE)
    ground[:, 1] = torch.where(places == 0, 0.9, 0.2)[:, None, None]
    ground += 0.05 * torch.rand(ground.shape, generator=draws)
    colour = torch.zeros(count, 3, 1, 1)
    colour[labels == 0, 0] = 1.0
    colour[labels == 1, 2] = 1.0
    images = (disc * colour + (1 - disc) * ground).clamp(0, 1)
    if masks == "box":
        on_rows, on_columns = disc.amax(3, keepdim=True), disc.amax(2, keepdim=True)
        disc = on_rows * on_columns
    return Samples(
        InMemory(images, None if masks == "none" else disc),
        labels,
        CLASSES,
        attributes=places,
        attribute_names=("bright", "dark"),
        object_name="disc",
    )


class Reads(nn.Module):
    """Logits from the mean colours: `object` for red less blue, `background` for green.

    Weights of both, known by construction, stand in for what training would have made of them.
    """

    def __init__(self, object_weight: float, background_weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.tensor([object_weight, background_weight, -object_weight])[:, None, None]
        )

    def forward(self, images: Tensor) -> Tensor:
        # half way between bright and dark is no evidence
        middle = torch.tensor([0.0, 0.5, 0.0])[:, None, None]
        score = ((images - middle) * self.weight).sum(1).mean((1, 2))
        return torch.stack([score, -score], 1)


@pytest.fixture
def object_reader() -> nn.Module:
    return Reads(1.0, 0.0)


@pytest.fixture
def background_reader() -> nn.Module:
    return Reads(0.0, 1.0)
