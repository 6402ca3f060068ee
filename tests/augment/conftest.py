"""Batches and generators for the whole room."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor, Tensor]


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    """Builds random images `(B, C, H, W)` in [0, 1], binary masks `(B, 1, H, W)`, two classes."""

    def build(
        *shape: int, dtype: torch.dtype = torch.float32, seed: int = 0, object_share: float = 0.3
    ) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        images = torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)
        covered = torch.rand((shape[0], 1, *shape[2:]), generator=generator) < object_share
        return images, covered.to(dtype), torch.arange(shape[0]) % 2

    return build
