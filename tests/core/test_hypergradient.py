"""The hypergradient by delta: solver against solver, and all against numerical differences."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from causalogit.core import Solver, VirtualStep, output_gradient
from causalogit.core.classifier import Parameters
from causalogit.models import CifarResNet, LeNet

from .nets import (
    OPTIMIZERS,
    batch,
    plain_step,
    random_state,
    set_random_state,
    small_net,
    virtual_step,
)

Net = tuple[Callable[[], nn.Module], dict[str, Any]]
"""How to build a network of three classes, and the batches that it takes."""

SMALL: Net = (small_net, {"size": 8})
LENET: Net = (lambda: LeNet(3), {"size": 4, "side": 28, "channels": 3})
RESNET: Net = (lambda: CifarResNet(32, 3), {"size": 8, "side": 16, "channels": 3})
VIT: Net = (
    lambda: timm.create_model(
        "vit_tiny_patch16_224",
        num_classes=3,
        img_size=32,
        patch_size=8,
        depth=3,
        drop_path_rate=0.2,
        pretrained=False,
    ),
    {"size": 3, "side": 32, "channels": 3},
)


def prepared(net: Net, optimizer: str, steps: int = 3) -> VirtualStep:
    """A virtual step after some real ones, so that momentum buffers exist."""
    make, shape = net
    model = make()
    optimizer_ = OPTIMIZERS[optimizer](model)
    for seed in range(steps):
        plain_step(model, optimizer_, *batch(**shape, seed=seed))
    images, labels = batch(**shape, seed=99)
    return virtual_step(model, optimizer_, images, labels, torch.randn(len(labels), 3))


def solve(step: VirtualStep, solver: Solver, net: Net) -> Tensor:
    images, labels = batch(**net[1], seed=100)

    def meta_loss(parameters: Parameters) -> Tensor:
        with step.classifier.random_state_kept():
            return F.cross_entropy(step.classifier.probe(parameters, images), labels)

    return output_gradient(step, meta_loss, solver)[0]


def difference(a: Tensor, b: Tensor) -> float:
    assert b.norm() > 0
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("steps", [0, 3])
def test_exact_is_the_unrolled_gradient_for_every_optimizer(optimizer: str, steps: int) -> None:
    step = prepared(SMALL, optimizer, steps)
    assert difference(solve(step, "exact", SMALL), solve(step, "unroll", SMALL)) < 1e-10


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("net", [LENET, RESNET, VIT], ids=["lenet", "resnet32", "vit"])
def test_exact_is_the_unrolled_gradient_for_every_network(net: Net) -> None:
    step = prepared(net, "nesterov", steps=2)
    assert difference(solve(step, "exact", net), solve(step, "unroll", net)) < 1e-10


@pytest.mark.parametrize("net", [LENET, RESNET], ids=["lenet", "resnet32"])
def test_exact_is_the_unrolled_gradient_in_single_precision(net: Net) -> None:
    differences = []
    for seed in range(3):
        torch.manual_seed(seed)
        step = prepared(net, "nesterov", steps=2)
        differences.append(difference(solve(step, "exact", net), solve(step, "unroll", net)))
    assert sorted(differences)[1] < 1e-4  # rounding may put one image beyond a kink of a ReLU


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "net", [SMALL, LENET, RESNET, VIT], ids=["small", "lenet", "resnet32", "vit"]
)
def test_finite_difference_is_close_to_exact(net: Net, dtype: torch.dtype) -> None:
    torch.set_default_dtype(dtype)
    try:
        for seed in range(3):
            torch.manual_seed(seed)
            step = prepared(net, "nesterov", steps=2)
            exact = solve(step, "exact", net)
            assert 0 < difference(solve(step, "finite_difference", net), exact) < 2e-2
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("net", [SMALL, LENET, RESNET], ids=["small", "lenet", "resnet32"])
def test_last_layer_points_the_same_way_as_exact(net: Net) -> None:
    step = prepared(net, "momentum", steps=2)
    exact, last = (solve(step, solver, net).flatten() for solver in ("exact", "last_layer"))
    assert 0 < F.cosine_similarity(exact, last, dim=0) < 0.9999


def test_last_layer_needs_no_backward_pass_through_the_backbone() -> None:
    step = prepared(SMALL, "sgd")
    wanted: dict[str, bool] = {}

    def meta_loss(parameters: Parameters) -> Tensor:
        wanted.update({n: p.requires_grad for n, p in parameters.items()})
        return step.classifier.probe(parameters, step.images).sum()

    output_gradient(step, meta_loss, "last_layer")
    assert wanted == {n: n.startswith("7.") for n in step.classifier.parameters()}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("bias", [True, False])
def test_last_layer_is_exact_where_only_the_head_is_trained(bias: bool) -> None:
    def linear_probe() -> nn.Module:
        model = small_net().requires_grad_(False)
        model[-1] = nn.Linear(6, 3, bias=bias)
        return model

    net = (linear_probe, SMALL[1])
    step = prepared(net, "nesterov")
    exact = solve(step, "exact", net)
    assert difference(solve(step, "last_layer", net), exact) < 1e-10
    assert difference(solve(step, "unroll", net), exact) < 1e-10


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("solver", ["exact", "unroll", "finite_difference"])
@pytest.mark.parametrize("optimizer", ["nesterov", "dampening", "groups", "adamw"])
def test_against_numerical_differences_of_real_training(solver: Solver, optimizer: str) -> None:
    """Nothing of the core but the solver: copies of model and optimizer take real steps."""
    net: Net = (small_net, {"size": 4})
    step = prepared(net, optimizer)
    meta_images, meta_labels = batch(**net[1], seed=100)
    after_forward = random_state()

    def meta_loss(delta: Tensor) -> Tensor:
        model, own = copy.deepcopy((step.classifier.model, step.optimizer))
        step.restore()
        plain_step(model, own, step.images, step.labels, delta)
        set_random_state(after_forward)
        with torch.no_grad():
            return F.cross_entropy(model(meta_images), meta_labels)

    numerical, h = torch.zeros_like(step.output), 1e-4
    for index in range(numerical.numel()):
        by = torch.zeros_like(step.output)
        by.view(-1)[index] = h
        slope = (meta_loss(step.output + by) - meta_loss(step.output - by)) / (2 * h)
        numerical.view(-1)[index] = slope
    set_random_state(after_forward)
    assert difference(solve(step, solver, net), numerical) < 1e-5


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("solver", ["exact", "finite_difference", "last_layer", "unroll"])
def test_solvers_leave_everything_as_it_was(solver: Solver) -> None:
    step = prepared(SMALL, "adam")
    state, random = copy.deepcopy(step.classifier.model.state_dict()), random_state()
    slots = copy.deepcopy(step.optimizer.state_dict())
    gradients = {n: p.grad.clone() for n, p in step.classifier.parameters().items()}
    result = solve(step, solver, SMALL)
    assert not result.requires_grad
    assert torch.equal(random_state(), random)
    torch.testing.assert_close(step.classifier.model.state_dict(), state, rtol=0, atol=0)
    torch.testing.assert_close(step.optimizer.state_dict(), slots, rtol=0, atol=0)
    for name, parameter in step.classifier.parameters().items():
        assert torch.equal(parameter.grad, gradients[name])


@pytest.mark.usefixtures("float64")
def test_a_head_that_starts_at_zero_has_finite_differences() -> None:
    model = small_net(dropout=0.0).requires_grad_(False)
    for parameter in model[-1].parameters():
        nn.init.zeros_(parameter.requires_grad_())
    images, labels = batch(8)
    step = virtual_step(model, SGD(model[-1].parameters(), 0.1), images, labels, torch.randn(8, 3))
    exact = solve(step, "exact", SMALL)
    assert difference(solve(step, "finite_difference", SMALL), exact) < 1e-6


class _Sine(torch.autograd.Function):
    """No formula for forward mode, new style."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.sin()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * ctx.saved_tensors[0].cos()


class _OldSine(torch.autograd.Function):
    """The same in the old style, where `forward` takes `ctx`: refused with another exception."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * ctx.saved_tensors[0].cos()


class _CubicDistance(nn.Module):
    """`cdist` with p = 3, an operation of torch itself without forward mode."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cdist(x, torch.eye(6, dtype=x.dtype), p=3)


class _Apply(nn.Module):
    def __init__(self, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function.apply(x)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "module", [_Apply(_Sine), _Apply(_OldSine), _CubicDistance()], ids=["new", "old", "torch"]
)
def test_without_forward_mode_exact_falls_back_with_one_warning(
    module: nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    model = nn.Sequential(*small_net()[:-1], module, nn.Linear(6, 3))
    images, labels = batch(8)
    step = virtual_step(model, SGD(model.parameters(), 0.1), images, labels, torch.randn(8, 3))
    with caplog.at_level(logging.WARNING):
        # the dropout before the module must drop the same units again
        first = solve(step, "exact", SMALL)
        second = solve(step, "exact", SMALL)
    assert [r.message for r in caplog.records if "using finite differences" in r.message] == [
        r.message for r in caplog.records
    ]
    assert len(caplog.records) == 1
    difference_ = solve(step, "finite_difference", SMALL)
    assert torch.equal(first, difference_)
    assert torch.equal(second, difference_)


def test_other_errors_of_the_model_are_not_swallowed() -> None:
    model = small_net()
    images, labels = batch(8)
    step = virtual_step(model, SGD(model.parameters(), 0.1), images, labels, torch.randn(8, 3))

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    model[0].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        output_gradient(step, lambda parameters: parameters["7.bias"].sum(), "exact")


@pytest.mark.parametrize("solver", ["exact", "finite_difference", "last_layer", "unroll"])
def test_an_optimizer_of_another_model_is_refused(solver: Solver) -> None:
    images, labels = batch(8)
    step = virtual_step(
        small_net(), SGD(small_net().parameters(), 0.1), images, labels, torch.zeros(8, 3)
    )
    with pytest.raises(ValueError, match="holds none of the classifier's trainable parameters"):
        solve(step, solver, SMALL)
