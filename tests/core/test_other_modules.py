"""Classifiers of other people: what their modules do in a pass must not mislead a look-ahead."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.checkpoint import checkpoint

from causalogit.core import CausalLogitPerturbation, Solver

from .nets import batch

SHAPE = {"side": 8, "channels": 3}


class Checkpointed(nn.Module):
    """Computes its first block anew in the backward pass, or does not."""

    def __init__(self, anew: bool) -> None:
        super().__init__()
        self.anew = anew
        self.block = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
        self.head = nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps = checkpoint(self.block, images, use_reentrant=False) if self.anew else None
        return self.head((self.block(images) if maps is None else maps).mean((2, 3)))


class Turned(nn.Module):
    """Drops out values of a tensor that does not lie in memory as it is indexed."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, images: Tensor) -> Tensor:
        rows = self.first(images.mean(1)).transpose(0, 1)
        return self.head(nn.functional.dropout(rows, 0.4, self.training).mean(0))


class Centred(nn.Module):
    """Subtracts the running mean that it has just updated with this batch."""

    running: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("running", torch.zeros(12))

    def forward(self, values: Tensor) -> Tensor:
        if self.training:
            self.running.mul_(0.5).add_(0.5 * values.detach().mean(0))
        return torch.tanh(values - self.running)


class Keeps(nn.Module):
    """Keeps its features for whoever wants to look at them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(192, 12), nn.ReLU())
        self.head = nn.Linear(12, 3)

    def forward(self, images: Tensor) -> Tensor:
        features = self.body(images)
        self.kept = features.detach()
        return self.head(features)


def flat(*middle: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 12), *middle, nn.Linear(12, 3))


def by_network(make: Callable[[], nn.Module], solver: Solver, steps: int = 3) -> Tensor:
    """Gradient of the perturbation network after some steps of the classifier."""
    torch.manual_seed(0)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    meta = [batch(6, **SHAPE, seed=100)]
    clp = CausalLogitPerturbation(model, optimizer, meta, 3, solver=solver)
    for seed in range(steps):
        clp.step(*batch(9, **SHAPE, seed=seed))
    return torch.cat([p.grad.flatten() for p in clp.network.parameters() if p.grad is not None])


def error(found: Tensor, right: Tensor) -> float:
    assert right.norm() > 0
    return ((found - right).norm() / right.norm()).item()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("solver", ["exact", "finite_difference", "unroll"])
def test_activations_that_are_computed_anew_are_those_of_the_look_ahead(solver: Solver) -> None:
    plain = by_network(lambda: Checkpointed(False), solver)
    assert error(by_network(lambda: Checkpointed(True), solver), plain) < 1e-9


def test_meta_images_stay_out_of_statistics_that_are_computed_anew() -> None:
    model = Checkpointed(True)
    images, labels = batch(6, **SHAPE, seed=100)
    clp = CausalLogitPerturbation(
        model, torch.optim.SGD(model.parameters(), lr=0.0), [(images + 50, labels)], 3
    )
    clp.step(*batch(9, **SHAPE, seed=1))
    assert model.block[1].running_mean.abs().max() < 5


@pytest.mark.usefixtures("float64")
def test_dropout_drops_the_same_units_whatever_the_order_in_memory() -> None:
    assert error(by_network(Turned, "exact"), by_network(Turned, "unroll")) < 1e-9


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("solver", ["exact", "finite_difference"])
def test_a_layer_that_reads_what_it_updates_starts_from_where_training_did(solver: Solver) -> None:
    right = by_network(lambda: flat(Centred()), "unroll")
    # a difference of values sees what `detach` hides from a derivative
    limit = 1e-9 if solver == "exact" else 0.1
    assert error(by_network(lambda: flat(Centred()), solver), right) < limit


@pytest.mark.usefixtures("float64")
def test_spectral_norm_by_finite_differences() -> None:
    def make() -> nn.Module:
        model = flat(nn.ReLU())
        model[1] = spectral_norm(model[1])
        return model

    assert error(by_network(make, "exact"), by_network(make, "unroll")) < 3e-3


def test_a_module_that_keeps_a_tensor_can_be_copied_after_a_step() -> None:
    model = Keeps()
    clp = CausalLogitPerturbation(
        model, torch.optim.SGD(model.parameters(), lr=0.1), [batch(6, **SHAPE)], 3
    )
    clp.step(*batch(9, **SHAPE, seed=1))
    assert copy.deepcopy(model).kept.numpy().shape == (9, 12)


def test_a_hook_may_look_at_values_outside_of_pytorch() -> None:
    model = flat(nn.ReLU())
    seen: list[float] = []
    model[2].register_forward_hook(
        lambda _module, _given, out: seen.append(float(out.detach().cpu().numpy().mean()))
    )
    clp = CausalLogitPerturbation(
        model, torch.optim.SGD(model.parameters(), lr=0.1), [batch(6, **SHAPE)], 3
    )
    assert clp.step(*batch(9, **SHAPE, seed=1))["hypergradient/norm"] > 0
    assert len(seen) == 3  # training, look-ahead, forward mode


def test_parameters_that_no_pass_uses_stay_where_they_are() -> None:
    model = Keeps()
    model.spare = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.5)
    clp = CausalLogitPerturbation(model, optimizer, [batch(6, **SHAPE)], 3, meta_weight=1.0)
    before = model.spare.weight.clone()
    clp.step(*batch(9, **SHAPE, seed=1))
    torch.testing.assert_close(model.spare.weight, before, rtol=0, atol=0)


def test_a_frozen_classifier_is_refused() -> None:
    model = Keeps()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    clp = CausalLogitPerturbation(model.requires_grad_(False), optimizer, [batch(6, **SHAPE)], 3)
    with pytest.raises(ValueError, match="Keeps has no parameter that requires gradients"):
        clp.step(*batch(9, **SHAPE, seed=1))
