"""A config that trains in a second or two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from causalogit.config import ClpConfig, DataConfig, MetaConfig, OptimizerConfig, RunConfig

TINY = RunConfig(
    data=DataConfig(meta=MetaConfig(per_class=10), validation_size=50, test_size=4500),
    optimizer=OptimizerConfig(epochs=3, schedule="cosine"),
    clp=ClpConfig(meta_batch_size=8),
)  # 400 training images, 13 steps an epoch


@pytest.fixture
def tiny() -> Callable[..., RunConfig]:
    return lambda **changes: replace(TINY, **changes)
