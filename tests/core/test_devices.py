"""A step on a GPU is that of the CPU, and the host seldom waits for it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from causalogit.core import CausalLogitPerturbation, Solver
from causalogit.models import CifarResNet
from tests.devices import needs_gpu

from .nets import OPTIMIZERS, batch, small_net
from .perturbers import keep, perturber, remove, said_of


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


class _Reads(TorchDispatchMode):
    """Counts what makes a host wait for its GPU: a number read, or a size that depends on values.

    `Tensor.tolist` does not come by here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        waits = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        self.count += func in waits
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("lagged", [False, True])
@pytest.mark.parametrize("form", ["vector", "expert", "weight"])
def test_the_host_seldom_waits_for_the_device(
    form: str, lagged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # on the CPU alone, one_hot looks at what it is given, and Adam at its count of steps
    monkeypatch.setattr(F, "one_hot", lambda labels, count: torch.eye(count).long()[labels])
    clp = perturber(small_net(), OPTIMIZERS["sgd"], form=form, lagged=lagged)
    clp.network_optimizer = OPTIMIZERS["sgd"](clp.network)
    images, labels = batch(8)
    said = said_of(labels) if form == "expert" else None
    clp.step(images, labels, spurious=said)  # the first looks at the model, too
    lists: list[torch.Tensor] = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda t: (lists.append(t), tolist(t))[1])
    with _Reads() as reads:
        metrics = clp.step(images, labels, spurious=said)
    assert len(metrics) > 7
    # pixels, loss, characteristics, output
    assert reads.count == 4
    # labels, on the CPU alone those of the meta batch, meta loss with the hypergradient's norm,
    # metrics
    assert len(lists) == 4
