"""A classifier that draws in every step, and has running statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from causalogit.core import processes

DRAWS = "tests.train.networks:draws"
SKIPS = "tests.train.networks:Skips"


class Centred(nn.Module):
    """Takes the mean of its images away, and remembers the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """`x` less its mean; in eval mode less the remembered one."""
        if self.training:
            self.mean = x.detach().mean()
        return x - self.mean


def draws() -> nn.Module:
    """Of 28x28 images and five classes; small, with batch norm, a memory of its own and dropout."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=3), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        Centred(), nn.Dropout(0.3), nn.Linear(96, 5),
    )  # fmt: skip


class Skips(nn.Module):
    """In training a block for each half of a batch: two processes leave out one each."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(nn.Linear(3 * 28 * 28, 8) for _ in range(2))
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(B, 5)`."""
        if not self.training:
            own, parts = list(self.blocks[:1]), (x.flatten(1),)
        elif processes.count() == 1:
            own, parts = list(self.blocks), x.flatten(1).tensor_split(2)
        else:
            own, parts = [self.blocks[processes.rank()]], (x.flatten(1),)
        hidden = [block(part).relu() for block, part in zip(own, parts, strict=True)]
        logits: Tensor = self.head(torch.cat(hidden))
        return logits


class TwoHeads(nn.Module):
    """Gives more than logits, but only while it is trained, as GoogLeNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 28 * 28, 5)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Logits `(B, 5)`, twice in training."""
        logits: Tensor = self.head(x.flatten(1))
        return (logits, logits) if self.training else logits
