"""Meta-Weight-Net through CLP's engine: solvers, the textbook, wrong labels, resuming."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.optim import SGD, Adam

from causalogit.core import (
    CausalLogitPerturbation,
    Divergence,
    Guard,
    PerturbationNetwork,
    Solver,
    VirtualStep,
    WeightedSamples,
)

from .nets import (
    OPTIMIZERS,
    batch,
    draws,
    plain_step,
    random_state,
    set_random_state,
    small_net,
    virtual_step,
)
from .test_hypergradient import LENET, RESNET, SMALL, VIT, Net, difference, solve

SOLVERS: tuple[Solver, ...] = ("exact", "finite_difference", "last_layer", "unroll")


def weighted_step(net: Net, optimizer: str, steps: int = 3) -> VirtualStep:
    """A virtual step on weighted samples after some real steps, so that buffers exist."""
    make, shape = net
    model = make()
    optimizer_ = OPTIMIZERS[optimizer](model)
    for seed in range(steps):
        plain_step(model, optimizer_, *batch(**shape, seed=seed))
    images, labels = batch(**shape, seed=99)
    weights = 0.1 + 0.8 * torch.rand(len(labels))
    return virtual_step(model, optimizer_, images, labels, weights, WeightedSamples())


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("steps", [0, 3])
def test_exact_is_the_unrolled_gradient_for_every_optimizer(optimizer: str, steps: int) -> None:
    step = weighted_step(SMALL, optimizer, steps)
    exact = solve(step, "exact", SMALL)
    assert exact.shape == (8,)
    assert difference(exact, solve(step, "unroll", SMALL)) < 1e-10


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("net", [LENET, RESNET, VIT], ids=["lenet", "resnet32", "vit"])
def test_exact_is_the_unrolled_gradient_for_every_network(net: Net) -> None:
    step = weighted_step(net, "nesterov", steps=2)
    assert difference(solve(step, "exact", net), solve(step, "unroll", net)) < 1e-10


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("net", [SMALL, LENET, RESNET], ids=["small", "lenet", "resnet32"])
def test_the_approximate_solvers_are_close_to_exact(net: Net) -> None:
    step = weighted_step(net, "nesterov", steps=2)
    exact = solve(step, "exact", net)
    assert 0 < difference(solve(step, "finite_difference", net), exact) < 2e-2
    last = solve(step, "last_layer", net)
    assert 0.5 < F.cosine_similarity(exact, last, dim=0) < 0.9999


# --- Eqs. 8-10 with weights, written the way the authors do ---------------------------------------


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("solver", ["exact", "unroll"])
def test_a_step_is_meta_weight_net_s(solver: Solver) -> None:
    eta1, momentum, decay, eta2 = 0.1, 0.9, 0.01, 0.05
    model = small_net(dropout=0.0)
    network = PerturbationNetwork(1, 3, "weight", normalise=False)
    nn.init.normal_(network.mlp[-1].weight, std=0.3)
    twin, net = copy.deepcopy((model, network.mlp))
    meta = [batch(5, seed=100), batch(5, seed=101)]
    mwn = CausalLogitPerturbation(
        model,
        SGD(model.parameters(), lr=eta1, momentum=momentum, weight_decay=decay),
        meta,
        3,
        network=network,
        network_optimizer=SGD(network.parameters(), lr=eta2),
        characteristics=("loss",),
        solver=solver,
        guard=Guard("raise"),
    )
    buffers = {n: torch.zeros_like(p) for n, p in twin.named_parameters()}
    for number in range(4):
        images, labels = batch(8, seed=number)
        metrics = mwn.step(images, labels)

        weights = dict(twin.named_parameters())
        losses = F.cross_entropy(twin(images), labels, reduction="none")

        def train_loss(losses: Tensor = losses) -> tuple[Tensor, Tensor]:
            w = net(losses.detach()[:, None]).sigmoid().squeeze(1)
            return (w / w.sum() * losses).sum(), w

        def stepped(
            gradients: tuple[Tensor, ...], weights: dict[str, Tensor] = weights
        ) -> dict[str, tuple[Tensor, Tensor]]:
            """Every weight's next momentum and next value."""
            moved = {}
            for (n, p), g in zip(weights.items(), gradients, strict=True):
                buffer = momentum * buffers[n] + g + decay * p
                moved[n] = (buffer, p - eta1 * buffer)
            return moved

        gradients = torch.autograd.grad(train_loss()[0], list(weights.values()), create_graph=True)
        w_hat = {n: value for n, (_, value) in stepped(gradients).items()}
        running = {n: b.clone() for n, b in twin.named_buffers()}
        meta_images, meta_labels = meta[number % 2]
        meta_loss = F.cross_entropy(
            functional_call(twin, (w_hat, running), meta_images), meta_labels
        )
        slopes = torch.autograd.grad(meta_loss, list(net.parameters()), retain_graph=True)
        assert math.sqrt(sum(float(s.square().sum()) for s in slopes)) > 1e-5
        with torch.no_grad():
            for parameter, slope in zip(net.parameters(), slopes, strict=True):
                parameter.sub_(eta2 * slope)
        loss, w = train_loss()
        gradients = torch.autograd.grad(loss, list(weights.values()))
        with torch.no_grad():
            for n, (buffer, value) in stepped(gradients).items():
                buffers[n] = buffer.clone()
                weights[n].copy_(value)

        torch.testing.assert_close(
            network.mlp.state_dict(), net.state_dict(), rtol=1e-10, atol=1e-12
        )
        torch.testing.assert_close(model.state_dict(), twin.state_dict(), rtol=1e-10, atol=1e-12)
        own = {n: metrics[n] for n in ("loss/meta", "loss/train", "weight/mean", "weight/min")}
        expected = (meta_loss.item(), loss.item(), w.mean().item(), w.min().item())
        assert own == pytest.approx(dict(zip(own, expected, strict=True)))
        assert not [n for n in metrics if n.startswith("delta")]


# --- what it is for ---------------------------------------------------------------------------


def flipped(size: int, seed: int, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """Two clouds of points `(size, 10)`, their labels with some wrong, and which are wrong."""
    generator = draws(seed)
    right = torch.arange(size) % 2
    points = torch.randn(size, 10, generator=generator) + (2.0 * right[:, None] - 1)
    wrong = torch.rand(size, generator=generator) < share
    return points, torch.where(wrong, 1 - right, right), wrong


def learn(
    network_rate: float, solver: Solver = "exact", steps: int = 200
) -> tuple[CausalLogitPerturbation, list[dict[str, float]]]:
    """A small network on points of which three in ten have the wrong label, 64 in a batch."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 2))
    network = PerturbationNetwork(1, 2, "weight", normalise=False)
    clean = flipped(64, 1, 0.0)[:2]
    mwn = CausalLogitPerturbation(
        model,
        SGD(model.parameters(), lr=0.05, momentum=0.9),
        [clean],
        2,
        network=network,
        network_optimizer=Adam(network.parameters(), lr=network_rate),
        characteristics=("loss",),
        solver=solver,
    )
    points, labels, _ = flipped(512, 2, 0.3)
    rows = []
    for step in range(steps):
        some = torch.arange(step * 64, step * 64 + 64) % 512
        rows.append(mwn.step(points[some], labels[some]))
    return mwn, rows


@pytest.mark.parametrize("solver", SOLVERS)
def test_wrong_labels_get_less_weight(solver: Solver) -> None:
    mwn, rows = learn(1e-2, solver)
    points, labels, wrong = flipped(512, 2, 0.3)
    _, weights = mwn.perturbation(points, labels)
    assert weights.shape == (512,)
    assert rows[-1]["loss/meta"] < 0.1 * rows[0]["loss/meta"]
    assert weights[wrong].mean() < 0.2 * weights[~wrong].mean()
    suspicion = mwn.loss.suspicion(weights, labels)
    above = suspicion[wrong][:, None] > suspicion[~wrong]
    auroc = above.double().mean().item()
    print(f"{solver}: meta loss {rows[-1]['loss/meta']:.4f}, AUROC {auroc:.3f}")
    assert auroc > 0.95


def test_without_the_network_s_updates_the_wrong_labels_are_learned() -> None:
    _, plain = learn(0.0)
    assert {row["weight/min"] for row in plain} == {row["weight/max"] for row in plain} == {0.5}
    assert plain[-1]["weight/effective"] == 1
    _, learned = learn(1e-2)
    assert learned[-1]["loss/meta"] < 0.1 * plain[-1]["loss/meta"]


# --- resuming, and the guard ----------------------------------------------------------------------


def perturber(guard: Guard | None = None) -> CausalLogitPerturbation:
    model = small_net()
    return CausalLogitPerturbation(
        model,
        OPTIMIZERS["nesterov"](model),
        [batch(5, seed=100)],
        3,
        network=PerturbationNetwork(1, 3, "weight", normalise=False),
        characteristics=("loss",),
        guard=guard,
    )


def test_training_goes_on_where_a_checkpoint_stopped() -> None:
    def play(mwn: CausalLogitPerturbation, seeds: range) -> dict[str, float]:
        metrics = {}
        for seed in seeds:
            torch.manual_seed(seed)
            metrics = mwn.step(*batch(8, seed=seed))
        return metrics

    first, second = perturber(), perturber()
    play(first, range(3))
    assert "normalise.running_mean" not in first.state_dict()["network"]
    second.classifier.model.load_state_dict(first.classifier.model.state_dict())
    second.optimizer.load_state_dict(copy.deepcopy(first.optimizer.state_dict()))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert play(second, range(3, 6)) == play(first, range(3, 6))
    for own, other in zip(
        second.classifier.model.parameters(), first.classifier.model.parameters(), strict=True
    ):
        assert torch.equal(own, other)


@pytest.mark.parametrize("bias", [-1e4, math.nan])
def test_weights_that_vanish_leave_plain_training_and_then_stop(
    bias: float, caplog: pytest.LogCaptureFixture
) -> None:
    mwn = perturber(Guard(patience=2))
    nn.init.constant_(mwn.network.mlp[-1].bias, bias)
    twin = copy.deepcopy(mwn.classifier.model)
    images, labels = batch(8)
    start = random_state()
    plain_step(twin, OPTIMIZERS["nesterov"](twin), images, labels)
    set_random_state(start)
    mwn.step(images, labels)
    assert "weight is nan: update left out" in caplog.text
    torch.testing.assert_close(
        mwn.classifier.model.state_dict(), twin.state_dict(), rtol=0, atol=1e-6
    )
    with pytest.raises(Divergence, match="2 updates in a row"):
        mwn.step(images, labels)


def test_a_sample_that_outweighs_its_batch_is_clipped_to_the_limit() -> None:
    mwn = perturber(Guard(limits={"loss": 1e4, "weight": 0.02, "hypergradient": 10.0}))
    nn.init.constant_(mwn.network.mlp[-1].weight, 0.03)
    for group in mwn.network_optimizer.param_groups:
        group["lr"] = 0.0
    metrics = mwn.step(*batch(8))
    highest = max(
        metrics["weight/max"] / metrics["weight/mean"] - 1,
        1 - metrics["weight/min"] / metrics["weight/mean"],
    )
    assert highest == pytest.approx(0.02, rel=1e-4)


def test_a_batch_of_one_counts_fully() -> None:
    mwn = perturber()
    mwn.classifier.model[1].eval()
    metrics = mwn.step(*batch(1))
    assert metrics["hypergradient/norm"] == pytest.approx(0, abs=1e-7)
    assert metrics["loss/train"] == pytest.approx(metrics["loss/classifier"])
