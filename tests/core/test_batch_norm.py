"""Batch norm over several processes; what they give together is in test_processes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from causalogit.core.batch_norm import batch_norm


def values(*shape: int) -> Tensor:
    """Far from zero, as after a layer with a bias."""
    return 5 + torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def device() -> str:
    """Processes meet on the CPU here."""
    return "cpu"


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 7), (6, 3, 4, 5)], ids=str)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_process_has_pytorchs(shape: tuple[int, ...], affine: bool, dtype: torch.dtype) -> None:
    x = values(*shape).to(dtype)
    weight, bias = (torch.tensor([1.0, -2.0, 0.5]), torch.ones(3)) if affine else (None, None)
    memory = [torch.zeros(3), torch.ones(3)]
    expected_memory = [tensor.clone() for tensor in memory]
    found = batch_norm(x, *memory, weight, bias, True, 0.3, 1e-3)
    expected = F.batch_norm(x, *expected_memory, weight, bias, True, 0.3, 1e-3)
    assert found.dtype == dtype
    atol = 3e-6 if dtype == torch.float32 else 3e-2
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)
    torch.testing.assert_close(memory, expected_memory, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("float64")
def test_it_can_be_differentiated_twice_and_forwards() -> None:
    parts = (values(4, 2, 3).double(), torch.rand(2) + 1, torch.rand(2))
    parts = tuple(part.double().requires_grad_() for part in parts)

    def normalised(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return batch_norm(x, None, None, weight, bias)

    assert gradcheck(normalised, parts, check_forward_ad=True)
    assert gradgradcheck(normalised, parts)
