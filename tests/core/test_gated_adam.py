"""Adam whose steps stand out of the noise."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Adam

from causalogit.core import GatedAdam

from .nets import draws


def walk(make: type[Adam], gradients: Tensor) -> Tensor:
    """Where a weight goes that starts at zero."""
    weight = nn.Parameter(torch.zeros(gradients.shape[1:]))
    optimizer = make([weight], lr=0.1)
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    return weight.detach()


def test_a_steady_gradient_moves_it_nearly_as_adam() -> None:
    gradients = -torch.ones(200, 5)
    ratio = walk(GatedAdam, gradients) / walk(Adam, gradients)
    assert ((ratio > 0.9) & (ratio < 0.96)).all()  # 1 - 0.1 / 1.9 in the long run


def test_noise_alone_hardly_moves_it() -> None:
    stream = draws(0)
    noise = torch.randn(400, 1000, generator=stream)
    drift, plain = walk(GatedAdam, noise).norm(), walk(Adam, noise).norm()
    assert drift < 0.2 * plain


def test_a_mean_under_noise_still_gets_through() -> None:
    stream = draws(0)
    gradients = torch.randn(400, 1000, generator=stream) - 0.5
    gated, plain = walk(GatedAdam, gradients).mean(), walk(Adam, gradients).mean()
    assert gated > 0.6 * plain > 0


def test_the_gate_against_its_definition() -> None:
    stream = draws(0)
    gradients = torch.randn(5, 7, generator=stream).double() + 1
    weight = nn.Parameter(torch.zeros(7, dtype=torch.float64))
    optimizer = GatedAdam([weight], lr=0.1, betas=(0.8, 0.95), eps=0.0)
    expected = torch.zeros(7, dtype=torch.float64)
    m, v = torch.zeros(7), torch.zeros(7)
    for t, gradient in enumerate(gradients, start=1):
        weight.grad = gradient.clone()
        optimizer.step()
        m, v = 0.8 * m + 0.2 * gradient, 0.95 * v + 0.05 * gradient**2
        first, second = m / (1 - 0.8**t), v / (1 - 0.95**t)
        # the variance of a bias-corrected running mean of t draws, by its weights
        weights = torch.tensor([0.2 * 0.8 ** (t - s) for s in range(1, t + 1)]) / (1 - 0.8**t)
        noise = (weights**2).sum() * second.sum()
        gate = max(0.0, 1 - float(noise / (first**2).sum()))
        expected -= 0.1 * gate * first / second.sqrt()
        torch.testing.assert_close(weight.detach(), expected, rtol=1e-6, atol=1e-8)
    assert gate > 0.1


def test_its_state_is_adams() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = GatedAdam([weight], lr=0.1)
    weight.grad = torch.ones(3)
    optimizer.step()
    other = Adam([nn.Parameter(torch.ones(3))], lr=0.1)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert torch.equal(other.state[other.param_groups[0]["params"][0]]["exp_avg"],
                       optimizer.state[weight]["exp_avg"])  # fmt: skip


@pytest.mark.parametrize("gradient", [0.0, None])
def test_weights_without_a_gradient_stay(gradient: float | None) -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = GatedAdam([weight], lr=0.1)
    weight.grad = None if gradient is None else torch.full((3,), gradient)
    optimizer.step()
    assert torch.equal(weight.detach(), torch.ones(3))


def test_a_closure_is_called_before_the_gate_looks_for_gradients() -> None:
    gradients = 1 + 0.1 * torch.randn(3, 5, generator=draws(0))
    weight = nn.Parameter(torch.zeros(5))
    optimizer = GatedAdam([weight], lr=0.1)
    rows = iter(gradients)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (weight * next(rows)).sum()
        loss.backward()
        return loss.detach()

    losses = [optimizer.step(closure) for _ in gradients]
    torch.testing.assert_close(weight.detach(), walk(GatedAdam, gradients))
    assert losses[0] == 0
    assert losses[-1] != 0
