"""One step of CLP: against the textbook, and against the plain step that it must not disturb."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

from causalogit.core import (
    FORMS,
    THE_TEN,
    CausalLogitPerturbation,
    CharacteristicTable,
    ClassStatistics,
    Guard,
    MetaObjective,
    Pace,
    PerturbationNetwork,
    PerturbedLogits,
    Solver,
)

from .nets import OPTIMIZERS, MakeOptimizer, batch, plain_step, small_net

SOLVERS: tuple[Solver, ...] = ("exact", "finite_difference", "last_layer", "unroll")
Pair = tuple[Tensor, Tensor]


def keep(images: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
    return masks * images


def remove(images: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
    return (1 - masks) * images


def masks_for(images: Tensor) -> Tensor:
    """The left part is the object."""
    masks = torch.zeros_like(images[:, :1])
    masks[..., :2] = 1
    return masks


def said_of(labels: Tensor) -> Tensor:
    """Log-probabilities that are nearly right."""
    return (4 * torch.nn.functional.one_hot(labels.roll(1), 3).double()).log_softmax(1).float()


def meta_batches(count: int = 2) -> list[tuple[Tensor, Tensor, Tensor]]:
    pairs = [batch(5, seed=100 + i) for i in range(count)]
    return [(images, labels, masks_for(images)) for images, labels in pairs]


def perturber(
    model: nn.Module,
    make: MakeOptimizer,
    solver: Solver = "exact",
    form: str = "vector",
    **more: Any,
) -> CausalLogitPerturbation:
    return CausalLogitPerturbation(
        model,
        make(model),
        meta_batches(),
        3,
        factual=keep,
        counterfactual=remove,
        network=PerturbationNetwork(10, 3, form),
        solver=solver,
        **more,
    )


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
    delta = SHIFT if form == "constant" else None
    for seed in range(3):
        images, labels = batch(8, seed=seed)
        start = torch.get_rng_state()
        plain_step(twin, twin_optimizer, images, labels, delta)
        after = torch.get_rng_state()
        assert not torch.equal(start, after)  # dropout drew
        torch.set_rng_state(start)
        clp.step(images, labels)
        assert torch.equal(torch.get_rng_state(), after)
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


def test_a_network_that_never_learns_is_refused() -> None:
    with pytest.raises(ValueError, match="every is 0: give at least 1 step"):
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
    again = clp.perturbation(images[:1], labels[:1], said_of(labels[:1]))
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


def test_a_meta_loader_that_draws_leaves_plain_training_alone() -> None:
    model = small_net()
    images, labels = batch(12)
    loader = DataLoader(TensorDataset(images, labels), batch_size=4, shuffle=True)
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), loader, 3)
    twin = copy.deepcopy(model)
    start = torch.get_rng_state()
    clp.step(*batch(8))
    after = torch.get_rng_state()
    torch.set_rng_state(start)
    twin(batch(8)[0])
    assert torch.equal(torch.get_rng_state(), after)
    first, second = (next(clp._meta).images for _ in range(2))
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
        network_optimizer=torch.optim.SGD(network.parameters(), lr=1e6),
    )
    images, labels = batch(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        metrics = clp.step(images.float(), labels)
    assert metrics["delta/label"] != 0
