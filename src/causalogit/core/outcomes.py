"""What a training step says of itself."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Metrics = dict[str, float]


def read(scalars: Mapping[str, Tensor]) -> Metrics:
    """Scalars as numbers, all at once: a host that reads from a GPU waits until it has done all."""
    values = torch.stack([value.detach().double() for value in scalars.values()])
    return dict(zip(scalars, values.tolist(), strict=True))
