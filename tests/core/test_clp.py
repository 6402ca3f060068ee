"""One step of CLP: against the textbook, and against the plain step that it must not disturb."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import SGD

from causalogit.core import (
    FORMS,
    THE_TEN,
    CausalLogitPerturbation,
    CharacteristicTable,
    ClassStatistics,
    Guard,
    MetaObjective,
    PerturbationNetwork,
    PerturbedLogits,
    Solver,
)
from causalogit.core import clp as core_clp

from .nets import (
    OPTIMIZERS,
    batch,
    device_of_the_test,
    plain_step,
    random_state,
    set_random_state,
    small_net,
)
from .perturbers import keep, meta_batches, perturber, remove

SOLVERS: tuple[Solver, ...] = ("exact", "finite_difference", "last_layer", "unroll")
Pair = tuple[Tensor, Tensor]


# --- a step of CLP leaves the classifier as a plain step with the same delta would --------------

SHIFT = torch.tensor([0.7, -1.0, 0.2], dtype=torch.float64)


class _Constant:
    """The same delta whatever the network says."""

    needs_expert = False
    loss = PerturbedLogits()

    def __init__(self, num_classes: int, bound: float | None) -> None:
        pass

    def width(self, num_classes: int) -> int:
        return num_classes

    def __call__(self, raw: Tensor, labels: Tensor, spurious: Tensor | None) -> Tensor:
        return SHIFT.to(raw) + 0 * raw


@pytest.fixture
def constant() -> Iterator[None]:
    FORMS["constant"] = _Constant
    yield
    del FORMS["constant"]


@pytest.mark.usefixtures("float64", "constant")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("optimizer", ["nesterov", "groups", "adamw"])
@pytest.mark.parametrize("form", ["vector", "constant"])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("scheme", [{}, {"lagged": True}, {"every": 2}], ids=str)
def test_the_classifier_takes_a_plain_step(
    solver: Solver, optimizer: str, form: str, frozen: bool, scheme: dict[str, Any]
) -> None:
    model = small_net()
    model[0].requires_grad_(not frozen)
    twin = copy.deepcopy(model)
    twin_optimizer = OPTIMIZERS[optimizer](twin)
    clp = perturber(model, OPTIMIZERS[optimizer], solver, form, **scheme)
    clp.network_optimizer = SGD(clp.network.parameters(), lr=0.0)  # so a `vector` stays at zero
    delta = SHIFT.to(device_of_the_test()) if form == "constant" else None
    for seed in range(3):
        images, labels = batch(8, seed=seed)
        start = random_state()
        plain_step(twin, twin_optimizer, images, labels, delta)
        after = random_state()
        assert not torch.equal(start, after)  # dropout drew
        set_random_state(start)
        clp.step(images, labels)
        assert torch.equal(random_state(), after)
        torch.testing.assert_close(model.state_dict(), twin.state_dict(), rtol=0, atol=1e-12)
        for own, plain in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(own.grad, plain.grad, rtol=0, atol=1e-12)
    assert model[1].num_batches_tracked == 3


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_hook_and_no_mode_is_left_behind(solver: Solver) -> None:
    model = small_net()
    model[1].eval()  # frozen batch norm inside a model in train mode
    clp = perturber(model, OPTIMIZERS["nesterov"], solver)
    modes = [m.training for m in model.modules()]
    images, labels = batch(8)
    clp.step(images, labels)
    clp.perturbation(images, labels)
    assert [m.training for m in model.modules()] == modes
    assert clp.network.training
    for module in model.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks):
            assert not hooks
    assert all(p.requires_grad and p.is_leaf for p in model.parameters())


@pytest.mark.usefixtures("float64")
def test_the_network_learns_at_every_kth_step_alone() -> None:
    clp = perturber(small_net(), OPTIMIZERS["sgd"], every=3)
    learned = []
    for number in range(7):
        before = copy.deepcopy(clp.network.state_dict())
        metrics = clp.step(*batch(8, seed=number))
        moved = any(
            not torch.equal(value, before[name])
            for name, value in clp.network.state_dict().items()
            if name.startswith("mlp.")
        )
        assert moved == ("hypergradient/norm" in metrics)
        learned.append(moved)
        if number == 3:  # a resumed run goes on in the same turn
            again = perturber(small_net(), OPTIMIZERS["sgd"], every=3)
            again.load_state_dict(copy.deepcopy(clp.state_dict()))
            assert again.steps == clp.steps
    assert learned == [True, False, False, True, False, False, True]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scheme", [{}, {"lagged": True}, {"every": 2}, {"pieces": 2}], ids=str)
@pytest.mark.parametrize("share", [0.0, 0.7])
def test_a_held_network_trains_as_one_whose_rate_is_zero(
    solver: Solver, scheme: dict[str, Any], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_net()
    kept, held = (
        perturber(net, OPTIMIZERS["adamw"], solver, meta_weight=share, **scheme)
        for net in (model, copy.deepcopy(model))
    )
    held.network.load_state_dict(kept.network.state_dict())
    kept.network_optimizer = SGD(kept.network.parameters(), lr=0.0)
    held.network.requires_grad_(False)
    for seed in range(3):
        start = random_state()
        expected = kept.step(*batch(8, seed=seed))
        after = random_state()
        set_random_state(start)
        with monkeypatch.context() as patch:
            patch.setattr(core_clp, "output_gradient", None)  # a call would fail
            metrics = held.step(*batch(8, seed=seed))
        assert torch.equal(random_state(), after)
        for own, other in (
            (held.classifier.model, kept.classifier.model),
            (held.network, kept.network),
        ):
            torch.testing.assert_close(own.state_dict(), other.state_dict(), rtol=0, atol=1e-12)
        looked = share > 0 and "hypergradient/norm" in expected
        assert ("loss/meta" in metrics) == looked
        left_out = {"hypergradient/norm"} if looked else set(expected) - set(metrics)
        assert metrics == pytest.approx(
            {name: value for name, value in expected.items() if name not in left_out}
        )
        assert all("meta" in name or "hypergradient" in name for name in left_out)


@pytest.mark.usefixtures("float64")
def test_labels_that_may_be_wrong_take_the_steps_of_the_textbook_unroll() -> None:
    model, network = small_net(), PerturbationNetwork(10, 3, "vector")
    nn.init.normal_(network.mlp[-1].weight)
    exact, unroll = (
        perturber(copy.deepcopy(model), OPTIMIZERS["nesterov"], solver, noise=0.3)
        for solver in ("exact", "unroll")
    )
    for number in range(3):
        for clp in (exact, unroll):
            if number == 0:
                clp.network.load_state_dict(network.state_dict())
            torch.manual_seed(number)
            assert clp.step(*batch(8, seed=number))["hypergradient/norm"] > 0
    for own, other in ((exact.network, unroll.network), (exact.classifier, unroll.classifier)):
        states = [getattr(part, "model", part).state_dict() for part in (own, other)]
        torch.testing.assert_close(*states, rtol=0, atol=1e-12)


def test_a_network_that_never_learns_is_refused() -> None:
    with pytest.raises(ValueError, match="every is 0: give a number of steps"):
        perturber(small_net(), OPTIMIZERS["sgd"], every=0)


def test_a_model_in_evaluation_mode_stays_there() -> None:
    model = small_net().eval()
    running = model[1].running_mean.clone()
    perturber(model, OPTIMIZERS["sgd"]).step(*batch(8))
    assert not model.training
    assert torch.equal(model[1].running_mean, running)


# --- Eqs. 8-10, written the way the paper does ---------------------------------------------------


def textbook_meta_loss(
    model: nn.Module, weights: dict[str, Tensor], meta: tuple[Tensor, ...]
) -> Tensor:
    images, labels, masks = meta
    buffers = {n: b.clone() for n, b in model.named_buffers()}
    together = torch.cat([images, masks * images, (1 - masks) * images])
    logits = functional_call(model, (weights, buffers), together)
    p = logits.softmax(1)[range(len(together)), labels.repeat(3)].reshape(3, -1)
    return -(p[0].log() + 0.5 * p[1].log() + 2.0 * (1 - p[2]).log()).mean()


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("solver", ["exact", "unroll"])
@pytest.mark.parametrize("form", ["vector", "target"])
@pytest.mark.parametrize(
    ("lagged", "share"), [(False, 0.0), (True, 0.0), (False, 0.7), (True, 0.7)]
)
def test_a_step_is_equations_8_to_10(solver: Solver, form: str, lagged: bool, share: float) -> None:
    eta1, eta2, decay = 0.1, 0.5, 0.01
    model = small_net(dropout=0.0)
    network = PerturbationNetwork(10, 3, form, bound=2.0)
    nn.init.normal_(network.mlp[-1].weight, std=0.1)
    twin, twin_network = copy.deepcopy((model, network))
    clp = CausalLogitPerturbation(
        model,
        SGD(model.parameters(), lr=eta1, weight_decay=decay),
        meta_batches(),
        3,
        network=network,
        network_optimizer=SGD(network.parameters(), lr=eta2),
        objective=MetaObjective(keep, remove, 1.0, 0.5, 2.0),
        solver=solver,
        lagged=lagged,
        meta_weight=share,
        guard=Guard("raise"),
    )
    table = CharacteristicTable(THE_TEN, ClassStatistics(3))
    for number in range(3):
        images, labels = batch(8, seed=number)
        metrics = clp.step(images, labels)

        weights = dict(twin.named_parameters())
        features = twin[:-1](images)
        u = twin[-1](features)
        inputs = twin_network.normalise(table(u, features, twin[-1].weight, labels))

        def train_loss(
            u: Tensor = u, inputs: Tensor = inputs, labels: Tensor = labels
        ) -> tuple[Tensor, Tensor]:
            delta = twin_network.form(twin_network.mlp(inputs), labels, None)
            return nn.functional.cross_entropy(u + delta, labels), delta

        before, delta_before = train_loss()
        gradients = torch.autograd.grad(before, list(weights.values()), create_graph=True)
        w_hat = {
            n: w - eta1 * (g + decay * w)
            for (n, w), g in zip(weights.items(), gradients, strict=True)
        }
        meta_loss = textbook_meta_loss(twin, w_hat, meta_batches()[number % 2])
        omega = list(twin_network.parameters())
        slopes = torch.autograd.grad(meta_loss, omega, retain_graph=True)
        of_meta = torch.autograd.grad(meta_loss, list(w_hat.values()), retain_graph=True)
        with torch.no_grad():
            for weight, slope in zip(omega, slopes, strict=True):
                weight.sub_(eta2 * slope)
        loss, delta = (before, delta_before) if lagged else train_loss()
        gradients = torch.autograd.grad(loss, list(weights.values()))
        with torch.no_grad():
            for weight, gradient, v in zip(weights.values(), gradients, of_meta, strict=True):
                weight.sub_(eta1 * (gradient + share * v + decay * weight))

        for own, expected in [(network, twin_network), (model, twin)]:
            torch.testing.assert_close(
                own.state_dict(), expected.state_dict(), rtol=1e-10, atol=1e-12
            )
        norm = math.sqrt(sum(float((s**2).sum()) for s in slopes))
        assert norm > 1e-4
        label = delta[range(8), labels]
        assert metrics == pytest.approx(
            {
                "loss/meta": meta_loss.item(),
                "loss/meta_clean": metrics["loss/meta_clean"],
                "loss/meta_factual": metrics["loss/meta_factual"],
                "loss/meta_counterfactual": metrics["loss/meta_counterfactual"],
                "hypergradient/norm": norm,
                "loss/train": loss.item(),
                "loss/classifier": nn.functional.cross_entropy(u, labels).item(),
                "delta/label": label.mean().item(),
                "delta/others": (delta.sum() - label.sum()).item() / 16,
                "skipped": 0,
            }
        )
        parts = [v for n, v in metrics.items() if n.startswith("loss/meta_")]
        assert sum(parts) == pytest.approx(metrics["loss/meta"])


def test_without_transforms_it_is_meta_lp() -> None:
    model = small_net()
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), [batch(4)], 3)
    metrics = clp.step(*batch(8))
    assert metrics["loss/meta"] == pytest.approx(metrics["loss/meta_clean"])
    assert not {"loss/meta_factual", "loss/meta_counterfactual"} & set(metrics)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_batch_of_one(solver: Solver) -> None:
    model = small_net()
    model[1].eval()
    metrics = perturber(model, OPTIMIZERS["nesterov"], solver).step(*batch(1))
    assert all(math.isfinite(v) for v in metrics.values())
