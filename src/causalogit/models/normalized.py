"""A model that normalises its own input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Normalized(nn.Module):
    """Subtracts `mean` and divides by `std`, channel by channel, before `model`.

    Images are in [0, 1] everywhere in this package, also those with an object removed or an
    attack on them; weights that were learned from normalised images bring the normalisation along.
    Both values are buffers, so that they travel with the state dict.

    Args:
        model: maps normalised images `(B, K, H, W)` to logits `(B, C)`.
        mean: of the channels, K values.
        std: of the channels, K values.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Logits `(B, C)` of images `(B, K, H, W)` in [0, 1]."""
        logits: Tensor = self.model((images - self.mean) / self.std)
        return logits

    def get_classifier(self) -> nn.Module | None:
        """The last layer, where the model names one as timm's models do."""
        get_classifier = getattr(self.model, "get_classifier", None)
        return get_classifier() if callable(get_classifier) else None


def kept_normalisation(state: Mapping[str, Tensor]) -> tuple[list[float], list[float]]:
    """Mean and std of the model that a state dict is of; empty where it is no `Normalized`."""
    buffers = {"mean", "std"}
    rest = set(state) - buffers
    if not buffers <= set(state) or not all(name.startswith("model.") for name in rest):
        return [], []
    return state["mean"].flatten().tolist(), state["std"].flatten().tolist()
