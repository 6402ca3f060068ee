"""A step on a GPU is that of the CPU, and the host seldom waits for it."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from causalogit.core import CausalLogitPerturbation, Solver
from causalogit.models import CifarResNet
from tests.devices import needs_gpu

from .nets import OPTIMIZERS, batch
from .perturbers import keep, perturber, remove, said_of

LIMIT = 8
"""Reads of a step: inputs (2), loss, characteristics, output, hypergradient, metrics; one spare."""


def resnet() -> nn.Module:
    return CifarResNet(8, 3)


def moved(*pairs: tuple[torch.Tensor, ...], device: str) -> list[tuple[torch.Tensor, ...]]:
    return [tuple(tensor.to(device) for tensor in pair) for pair in pairs]


@needs_gpu
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("lagged", [False, True])
@pytest.mark.parametrize("solver", ["exact", "last_layer", "finite_difference"])
def test_steps_are_those_of_the_cpu(solver: Solver, lagged: bool) -> None:
    torch.set_default_device(None)
    here = resnet()
    there = copy.deepcopy(here).cuda()
    metas = [(*batch(6, 16, 3, seed=9), torch.rand(6, 1, 16, 16))]
    found = []
    for model, device in ((here, "cpu"), (there, "cuda")):
        torch.manual_seed(4)  # the network's weights
        clp = CausalLogitPerturbation(
            model,
            OPTIMIZERS["nesterov"](model),
            moved(*metas, device=device),
            3,
            factual=keep,
            counterfactual=remove,
            solver=solver,
            lagged=lagged,
        )
        metrics = [clp.step(*moved(batch(8, 16, 3, seed=i), device=device)[0]) for i in range(3)]
        clp.end_epoch()
        found.append((metrics, model.state_dict(), clp.network.state_dict()))
    tolerance = 1e-4 if solver == "finite_difference" else 1e-8  # of a kink, or of rounding
    torch.testing.assert_close(*found, rtol=tolerance, atol=tolerance, check_device=False)


def test_a_step_under_autocast_learns_nearly_the_same(device: str) -> None:
    plain = resnet()
    cast = copy.deepcopy(plain)
    images, labels = batch(8, 16, 3)
    metas = [(*batch(6, 16, 3, seed=9), torch.rand(6, 1, 16, 16))]
    changes = []
    for model, enabled in ((plain, False), (cast, True)):
        torch.manual_seed(4)
        before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
        clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), metas, 3, factual=keep)
        with torch.autocast(device, torch.bfloat16, enabled=enabled):
            metrics = clp.step(images, labels)
        after = torch.cat([p.detach().flatten() for p in model.parameters()])
        assert after.dtype == torch.float32
        assert metrics["hypergradient/norm"] > 0
        changes.append(after - before)
    assert F.cosine_similarity(*changes, dim=0) > 0.99


@needs_gpu
@pytest.mark.parametrize("lagged", [False, True])
@pytest.mark.parametrize("form", ["vector", "expert", "weight"])
def test_the_host_seldom_waits_for_the_gpu(form: str, lagged: bool, device: str) -> None:
    if device != "cuda":
        pytest.skip("of the GPU alone")
    clp = perturber(resnet_of(2), OPTIMIZERS["adam"], form=form, lagged=lagged)
    images, labels = batch(8)
    for _ in range(2):  # what is looked at once, and the optimizers' state
        clp.step(images, labels, spurious=said_of(labels))
    said = said_of(labels)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            clp.step(images, labels, spurious=said)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = [w for w in caught if "synchronizing CUDA operation" in str(w.message)]
    places = "\n".join(f"{w.filename}:{w.lineno}" for w in waits)
    assert 0 < len(waits) <= LIMIT, places


def resnet_of(channels: int) -> nn.Module:
    """For the small images that `perturber` has meta batches of."""
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))
