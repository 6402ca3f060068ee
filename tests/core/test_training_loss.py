"""How an output enters the training loss: closed forms against autograd and slow loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.core import PerturbedLogits, TrainingLoss, WeightedSamples
from causalogit.core.outcomes import read

from .nets import OPTIMIZERS, small_net
from .perturbers import perturber

B, C = 6, 4


def labels() -> Tensor:
    return torch.tensor([0, 3, 1, 1, 2, 0])


LOSSES: dict[str, TrainingLoss] = {
    "delta": PerturbedLogits(),
    "paced delta": PerturbedLogits(pace=4.0),
    "delta, noisy labels": PerturbedLogits(pace=4.0, noise=0.3),
    "weight": WeightedSamples(),
}


def sample(name: str) -> tuple[Tensor, Tensor]:
    """Logits and an output."""
    return 3 * torch.randn(B, C), torch.rand(B) if name == "weight" else torch.randn(B, C)


def cross_entropy(logits: list[float], label: int) -> float:
    return math.log(sum(math.exp(u) for u in logits)) - logits[label]


@pytest.mark.usefixtures("float64")
def test_the_losses_are_what_they_say() -> None:
    logits, delta = sample("delta")
    each = [
        cross_entropy((u + d).tolist(), int(y))
        for u, d, y in zip(logits, delta, labels(), strict=True)
    ]
    assert LOSSES["delta"](logits, delta, labels()).item() == pytest.approx(sum(each) / B)
    assert LOSSES["paced delta"](logits, delta, labels()).item() == pytest.approx(4 * sum(each) / B)
    _, weights = sample("weight")
    normal = [w / (sum(weights.tolist()) / B) for w in weights.tolist()]  # of mean 1
    each = [
        w * cross_entropy(u.tolist(), int(y))
        for u, w, y in zip(logits, normal, labels(), strict=True)
    ]
    assert LOSSES["weight"](logits, weights, labels()).item() == pytest.approx(sum(each) / B)


@pytest.mark.usefixtures("float64")
def test_a_noisy_label_counts_by_the_chance_that_it_is_right() -> None:
    logits, delta = sample("delta")
    loss = PerturbedLogits(noise=0.3)
    q = (logits + delta).softmax(1)[range(B), labels()]
    drawn = 0.3 / C
    assert loss(logits, delta, labels()).item() == pytest.approx(
        -(0.7 * q + drawn).log().mean().item()
    )
    right = 0.7 * q / (0.7 * q + drawn)
    plain = PerturbedLogits().cotangent(logits, delta, labels())
    own = loss.cotangent(logits, delta, labels())
    torch.testing.assert_close(own, right[:, None] * plain, rtol=1e-12, atol=1e-14)
    total = loss.total(logits, delta, labels())
    more = F.one_hot(labels(), C) * ((1 - right * (1 - q)) / (right * q)).log()[:, None]
    torch.testing.assert_close(total, delta + more)
    same = PerturbedLogits().cotangent(logits, total, labels())
    torch.testing.assert_close(own, same, rtol=1e-12, atol=1e-14)


def test_the_chance_of_a_label_that_cannot_be_is_finite_and_small() -> None:
    logits = torch.tensor([[0.0, 300.0], [300.0, 0.0]])
    loss, sure = PerturbedLogits(noise=0.3), torch.zeros(2, 2)
    wrong = torch.tensor([0, 1])
    assert loss.cotangent(logits, sure, wrong).abs().max() < 1e-6
    total = loss.total(logits, sure, wrong)
    assert total.isfinite().all()
    assert (loss.suspicion(total, wrong) > 100).all()
    assert loss.suspicion(loss.total(logits, sure, 1 - wrong), 1 - wrong).abs().max() < 1


@pytest.mark.parametrize(("form", "noise"), [("weight", 0.1), ("vector", 1.0), ("vector", -0.1)])
def test_noise_that_makes_no_sense_is_refused(form: str, noise: float) -> None:
    with pytest.raises(ValueError, match="from 0 to below 1, and 0 for a network that gives"):
        perturber(small_net(), OPTIMIZERS["sgd"], form=form, noise=noise)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_are_those_of_the_loss(name: str) -> None:
    loss = LOSSES[name]
    logits, output = (t.requires_grad_() for t in sample(name))
    change = torch.randn(B, C)
    (by_logits,) = torch.autograd.grad(loss(logits, output, labels()), logits, create_graph=True)
    (by_output,) = torch.autograd.grad((by_logits * change).sum(), output)
    with torch.no_grad():
        own = loss.cotangent(logits, output, labels())
        own_by_output = loss.output_gradient(logits, output, labels(), change)
    torch.testing.assert_close(own, by_logits.detach(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(own_by_output, by_output, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_keep_the_types_of_what_they_are_for(name: str) -> None:
    logits, output = sample(name)
    half, change = logits.bfloat16(), torch.randn(B, C).bfloat16()
    assert LOSSES[name].cotangent(half, output, labels()).dtype == torch.bfloat16
    assert LOSSES[name].output_gradient(half, output, labels(), change).dtype == torch.float32


def test_only_the_proportions_of_the_weights_count() -> None:
    logits, weights = sample("weight")
    loss = LOSSES["weight"]
    assert loss(logits, 1e-3 * weights, labels()).item() == pytest.approx(
        loss(logits, weights, labels()).item()
    )
    by_output = loss.output_gradient(logits, weights, labels(), torch.randn(B, C))
    assert (by_output * weights).sum().item() == pytest.approx(0, abs=1e-6)
    alike = loss(logits, torch.full((B,), 0.2), labels())
    assert alike.item() == pytest.approx(F.cross_entropy(logits, labels()).item())


@pytest.mark.parametrize("name", LOSSES)
def test_clipping_scales_the_size_and_zero_leaves_the_plain_loss(name: str) -> None:
    loss = LOSSES[name]
    logits, output = sample(name)
    assert torch.equal(loss.clipped(output, 1.0), output)
    half = loss.clipped(output, 0.5)
    assert loss.size(half).item() == pytest.approx(loss.size(output).item() / 2, rel=1e-5)
    plain = F.cross_entropy(logits, labels()).item() * getattr(loss, "pace", 1.0)
    if name == "delta, noisy labels":
        plain = loss(logits, torch.zeros(B, C), labels()).item()
    for lost in (output, torch.full_like(output, torch.nan)):
        assert loss(logits, loss.clipped(lost, 0.0), labels()).item() == pytest.approx(plain)


def test_clipped_weights_stay_weights() -> None:
    _, weights = sample("weight")
    half = LOSSES["weight"].clipped(weights, 0.5)
    assert half.min() > weights.min() > 0
    assert half.max() < weights.max() < 1
    assert half.mean().item() == pytest.approx(weights.mean().item())


def test_weights_that_all_vanish_are_not_finite_for_the_guard() -> None:
    assert LOSSES["weight"].size(torch.zeros(B)).isnan()
    assert LOSSES["weight"].size(torch.tensor([0.0, 0, 0, 1])).item() == pytest.approx(3)
    assert LOSSES["weight"].size(torch.tensor([0.7])).item() == 0


def test_suspicion_is_higher_where_the_label_teaches_less() -> None:
    logits, delta = sample("delta")
    expected = [
        d[y].item() - sum(d[c].item() for c in range(C) if c != y) / (C - 1)
        for d, y in zip(delta, labels().tolist(), strict=True)
    ]
    assert LOSSES["delta"].suspicion(delta, labels()).tolist() == pytest.approx(expected, abs=1e-6)
    _, weights = sample("weight")
    assert LOSSES["weight"].suspicion(weights, labels()).tolist() == [-w for w in weights.tolist()]
    for name, less in (("delta", torch.eye(C)[labels()]), ("weight", -0.1 * torch.eye(B)[2])):
        # the same change of one sample: more suspicion, less gradient
        loss = LOSSES[name]
        before = torch.zeros(B, C) if name == "delta" else torch.full((B,), 0.5)
        after = before + less
        pull = [loss.cotangent(logits, t, labels())[2].norm() for t in (before, after)]
        doubt = [loss.suspicion(t, labels())[2] for t in (before, after)]
        assert pull[1] < pull[0]
        assert doubt[1] > doubt[0]


def test_what_is_logged_of_weights() -> None:
    given = read(LOSSES["weight"].describe(torch.tensor([0.2, 0.2, 0.2, 0.2]), labels()[:4]))
    expected = {"mean": 0.2, "min": 0.2, "max": 0.2, "effective": 1.0}
    assert given == pytest.approx({f"weight/{n}": v for n, v in expected.items()})
    given = read(LOSSES["weight"].describe(torch.tensor([0.0, 0.8, 0.0, 0.8]), labels()[:4]))
    expected = {"mean": 0.4, "min": 0.0, "max": 0.8, "effective": 0.5}
    assert given == pytest.approx({f"weight/{n}": v for n, v in expected.items()})
