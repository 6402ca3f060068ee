"""What the room's tests run on, and double precision for those that compare to many digits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.devices import DEVICES


@pytest.fixture(autouse=True, params=DEVICES)
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Tensors and modules made in the test are there; its arithmetic is not that of TF32."""
    if request.param == "cpu":
        yield "cpu"
        return
    torch.backends.cudnn.allow_tf32 = False
    torch.set_default_device(request.param)
    yield request.param
    torch.set_default_device(None)
    torch.backends.cudnn.allow_tf32 = True


@pytest.fixture
def float64() -> Iterator[None]:
    """Tensors and modules made in the test are in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
