"""CLP among other things: looked at, saved, resumed; with models, loaders and casts of others."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from causalogit.core import (
    CausalLogitPerturbation,
    Pace,
    PerturbationNetwork,
    Solver,
)
from causalogit.models import build_model

from .nets import OPTIMIZERS, batch, random_state, set_random_state, small_net
from .perturbers import masks_for, meta_batches, said_of

SOLVERS: tuple[Solver, ...] = ("exact", "finite_difference", "last_layer", "unroll")
Pair = tuple[Tensor, Tensor]


# --- looking, saving, resuming -------------------------------------------------------------------


def test_looking_at_delta_updates_nothing() -> None:
    model = small_net()
    network = PerturbationNetwork(10, 3, "expert")
    clp = CausalLogitPerturbation(
        model, OPTIMIZERS["nesterov"](model), meta_batches(), 3, network=network, pace=Pace(9.0)
    )
    images, labels = batch(8)
    clp.step(images, labels, spurious=said_of(labels))
    before = copy.deepcopy((clp.state_dict(), model.state_dict()))
    values, delta = clp.perturbation(images, labels, said_of(labels))
    torch.testing.assert_close((clp.state_dict(), model.state_dict()), before, rtol=0, atol=0)
    assert values.shape == (8, 10)
    assert not delta.requires_grad
    again = clp.perturbation(images[:1], labels[:1], said_of(labels)[:1])
    torch.testing.assert_close(again[1], delta[:1])  # a sample's delta is its own, dropout is off


@pytest.mark.parametrize("form", ["vector", "expert"])
def test_training_goes_on_where_a_checkpoint_stopped(form: str) -> None:
    def run() -> tuple[CausalLogitPerturbation, nn.Module]:
        model = small_net()
        network = PerturbationNetwork(10, 3, form)
        optimizer = OPTIMIZERS["nesterov"](model)
        clp = CausalLogitPerturbation(
            model, optimizer, meta_batches(1), 3, network=network, pace=Pace(9.0)
        )
        return clp, model

    def play(clp: CausalLogitPerturbation, seeds: range) -> dict[str, float]:
        metrics = {}
        for seed in seeds:
            images, labels = batch(8, seed=seed)
            torch.manual_seed(seed)
            metrics = clp.step(images, labels, spurious=said_of(labels))
            if seed % 2:
                clp.end_epoch()
        return metrics

    first, model = run()
    play(first, range(3))
    second, twin = run()
    twin.load_state_dict(model.state_dict())
    second.optimizer.load_state_dict(copy.deepcopy(first.optimizer.state_dict()))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert play(second, range(3, 6)) == play(first, range(3, 6))
    torch.testing.assert_close(twin.state_dict(), model.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(second.state_dict(), first.state_dict(), rtol=0, atol=0)


# --- models that others wrote --------------------------------------------------------------------


def timm_model(name: str) -> nn.Module:
    small = {"img_size": 32, "patch_size": 8} if name.startswith("vit") else {}
    return timm.create_model(name, num_classes=5, pretrained=False, **small)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_timm_models_take_a_step(name: str, caplog: pytest.LogCaptureFixture) -> None:
    model = timm_model(name)
    twin = copy.deepcopy(model)
    images, labels = batch(4, side=32, channels=3, num_classes=5)
    clp = CausalLogitPerturbation(model, OPTIMIZERS["nesterov"](model), [(images, labels)], 5)
    metrics = clp.step(images, labels)
    assert not caplog.records  # in forward mode, attention too
    assert metrics["hypergradient/norm"] > 0
    assert all(math.isfinite(v) for v in metrics.values())
    assert any(
        not torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True)
    )


def test_fused_attention_takes_the_saliency_term_too() -> None:
    model = timm_model("vit_tiny_patch16_224")
    images, labels = batch(2, side=32, channels=3, num_classes=5)
    clp = CausalLogitPerturbation(
        model, OPTIMIZERS["sgd"](model), [(images, labels)], 5, saliency_weight=1.0
    )
    metrics = clp.step(images, labels, masks_for(images))
    assert all(math.isfinite(v) for v in metrics.values())


@pytest.mark.parametrize("solver", ["exact", "last_layer"])
def test_a_compiled_model_takes_the_same_steps_by_its_own_code(solver: Solver) -> None:
    """Compilers free what a second backward pass needs, and start anew for replaced weights."""
    compiled = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        compiled.append(graph)
        return graph.forward

    model = small_net(dropout=0.0)
    twin = copy.deepcopy(model)
    for net in (model, torch.compile(twin, backend=backend)):
        torch.manual_seed(1)
        clp = CausalLogitPerturbation(
            net, OPTIMIZERS["nesterov"](net), meta_batches(), 3, solver=solver
        )
        for seed in range(3):
            clp.step(*batch(8, seed=seed))
    torch.testing.assert_close(model.state_dict(), twin.state_dict())
    assert not compiled
    net(batch(8)[0])  # outside of a step it is what it was
    assert compiled


def test_a_meta_loader_that_draws_leaves_plain_training_alone() -> None:
    model = small_net()
    images, labels = batch(12)
    loader = DataLoader(TensorDataset(images, labels), batch_size=4, shuffle=True)
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), loader, 3)
    twin = copy.deepcopy(model)
    images, labels = batch(8)
    torch.set_default_device(None)  # a sampler draws on the CPU
    start = random_state()
    clp.step(images, labels)
    after = random_state()
    set_random_state(start)
    twin(images)
    assert torch.equal(random_state(), after)
    first, second = (next(clp.meta.batches)[0] for _ in range(2))
    assert not torch.equal(first, second)


def test_autocast_sees_the_new_network_in_equation_10() -> None:
    model = small_net().float()
    network = PerturbationNetwork(10, 3, "target", bound=None)
    clp = CausalLogitPerturbation(
        model,
        OPTIMIZERS["sgd"](model),
        [batch(4)],
        3,
        network=network,
        network_optimizer=torch.optim.SGD(network.parameters(), lr=1e2),
    )
    images, labels = batch(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        metrics = clp.step(images.float(), labels)
    assert metrics["delta/label"] != 0


def test_autocast_takes_the_exact_hypergradient_of_a_residual_network() -> None:
    model = build_model("resnet8", 3, 2, seed=0)
    images, labels = batch(8, side=16)
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), [(images, labels)], 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        metrics = clp.step(images, labels)
    assert metrics["hypergradient/norm"] > 0
    assert clp.classifier.has_forward_mode
