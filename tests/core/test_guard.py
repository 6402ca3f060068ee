"""What happens when training leaves the numbers."""

from __future__ import annotations

import copy
import logging
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from causalogit.core import (
    CausalLogitPerturbation,
    Divergence,
    Guard,
    Pace,
    PerturbationNetwork,
)
from causalogit.core.guard import Action

from .nets import OPTIMIZERS, batch, plain_step, small_net

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("name", ["loss", "delta", "hypergradient"])
def test_a_value_within_its_limit_passes(name: str) -> None:
    for action in ("clip", "skip", "raise"):
        guard = Guard(action)
        assert guard.factor(name, guard.limits[name]) == 1.0
        assert guard.factor(name, 0.0) == 1.0


def test_clip_scales_what_is_finite_and_skips_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard("clip", limits={"delta": 2.0})
    assert guard.factor("delta", 8.0) == 0.25
    assert not caplog.records
    for size in (NAN, INF):
        assert guard.factor("delta", size) == 0.0
    assert "delta is nan: update left out (1 in a row)" in caplog.text
    assert "delta is inf: update left out (2 in a row)" in caplog.text


@pytest.mark.parametrize("size", [8.0, NAN, INF])
def test_skip_and_raise(size: float, caplog: pytest.LogCaptureFixture) -> None:
    assert Guard("skip", limits={"delta": 2.0}).factor("delta", size) == 0.0
    assert "delta" in caplog.text
    with pytest.raises(Divergence, match=r"delta (exploded: 8 > 2|is (nan|inf)): lower a learning"):
        Guard("raise", limits={"delta": 2.0}).factor("delta", size)


@pytest.mark.parametrize("action", ["clip", "skip"])
def test_patience_counts_updates_in_a_row_of_each_value(action: Action) -> None:
    guard = Guard(action, patience=3)
    for _ in range(5):  # a good one in between
        assert guard.factor("hypergradient", NAN) == 0.0
        assert guard.factor("hypergradient", NAN) == 0.0
        assert guard.factor("hypergradient", 1.0) == 1.0
    guard.factor("hypergradient", NAN)
    guard.factor("loss", 1.0)  # another value's health says nothing
    guard.factor("hypergradient", NAN)
    with pytest.raises(Divergence, match="3 updates in a row were left out"):
        guard.factor("hypergradient", NAN)


def test_a_clipped_update_is_not_left_out() -> None:
    guard = Guard("clip", patience=2)
    for _ in range(3):
        guard.factor("delta", NAN)
        assert 0 < guard.factor("delta", 1e6) < 1


def perturber(
    action: Action, meta: tuple[Tensor, Tensor] | None = None, **limits: float
) -> CausalLogitPerturbation:
    """A classifier with batch norm and dropout, and a network with a delta."""
    model = small_net()
    network = PerturbationNetwork(10, 3, bound=None)
    nn.init.normal_(network.mlp[-1].weight, std=0.01)
    guard = Guard(action, patience=3)
    guard.limits.update(limits)
    return CausalLogitPerturbation(
        model, OPTIMIZERS["nesterov"](model), [meta or batch(4)], 3, network=network, guard=guard
    )


def everything(clp: CausalLogitPerturbation) -> dict[str, Any]:
    state = clp.state_dict() | {
        "model": clp.classifier.model.state_dict(),
        "optimizer": clp.optimizer.state_dict(),
    }
    del state["skipped"]
    return copy.deepcopy(state)


def same(a: object, b: object) -> bool:
    try:
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
    except AssertionError:
        return False
    return True


def bad_pixels(value: float, *which: int) -> tuple[Tensor, Tensor]:
    images, labels = batch(8)
    for i in which:
        images[i, 0, 0, i % 5] = value
    return images, labels


@pytest.mark.parametrize("action", ["clip", "skip"])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_pixels_that_are_not_finite_touch_nothing(
    action: Action, value: float, caplog: pytest.LogCaptureFixture
) -> None:
    clp = perturber(action)
    clp.step(*batch(8))
    before = everything(clp)
    metrics = clp.step(*bad_pixels(value, 1, 4, 6))
    assert metrics == {"skipped": 1}
    assert "3 of 8 images hold values that are not finite" in caplog.text
    assert same(everything(clp), before)
    clp.step(*batch(8))  # and training goes on
    assert not same(everything(clp), before)


def test_bad_pixels_raise_or_end_patience() -> None:
    clp = perturber("raise")
    before = everything(clp)
    with pytest.raises(Divergence, match=r"1 of 8 images hold values .* look at the files"):
        clp.step(*bad_pixels(NAN, 0))
    assert same(everything(clp), before)
    clp = perturber("clip")
    for _ in range(2):
        clp.step(*bad_pixels(NAN, 0))
    with pytest.raises(Divergence, match="3 updates in a row"):
        clp.step(*bad_pixels(NAN, 0))


def test_what_an_expert_says_that_is_not_finite_touches_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clp = expert_perturber(bound=1.0, pace=Pace(10.0))
    said = torch.full((8, 3), 1 / 3).log()
    clp.step(*batch(8), spurious=said)
    before = everything(clp)
    lost = said.clone()
    lost[2, 1] = NAN
    assert clp.step(*batch(8), spurious=lost) == {"skipped": 1}
    assert "1 of 8 answers of the expert hold values that are not finite" in caplog.text
    assert same(everything(clp), before)
    clp.step(*batch(8), spurious=said)
    assert all(p.isfinite().all() for p in clp.classifier.model.parameters())


def test_a_delta_that_is_lost_sets_no_pace() -> None:
    clp = expert_perturber(bound=1.0, pace=Pace(10.0))
    with torch.no_grad():
        clp.network.mlp[-1].bias.fill_(NAN)
    clp.step(*batch(8), spurious=torch.full((8, 3), 1 / 3).log())
    assert math.isfinite(clp.pace.left or NAN)
    assert all(p.isfinite().all() for p in clp.classifier.model.parameters())


def test_the_look_ahead_has_the_delta_that_was_clipped() -> None:
    losses = []
    for scale, limit in ((2.0, 1.0), (1.0, 1e3)):
        torch.manual_seed(1)
        clp = perturber("clip", delta=limit)
        nn.init.zeros_(clp.network.mlp[-1].weight)
        clp.network.mlp[-1].bias.data.copy_(scale * torch.tensor([1.0, -0.5, 0.0]))
        losses.append(seeded_step(clp)["loss/meta"])
    assert losses[0] == losses[1]


def expert_perturber(
    bound: float, pace: Pace | None = None, **limits: float
) -> CausalLogitPerturbation:
    """One whose network says how far an expert counts."""
    model = small_net()
    network = PerturbationNetwork(10, 3, "expert", bound=bound)
    guard = Guard("clip", patience=3)
    guard.limits.update(limits)
    return CausalLogitPerturbation(
        model,
        OPTIMIZERS["nesterov"](model),
        [batch(4)],
        3,
        network=network,
        pace=pace,
        guard=guard,
    )


def test_masks_that_are_not_finite_touch_nothing(caplog: pytest.LogCaptureFixture) -> None:
    clp = perturber("clip")
    clp.saliency_weight = 1.0
    before = everything(clp)
    masks = torch.ones(8, 1, 5, 5)
    masks[3, 0, 0, 0] = NAN
    clp.step(*batch(8), masks)
    assert "1 of 8 masks hold values that are not finite" in caplog.text
    assert same(everything(clp), before)


@pytest.mark.parametrize("action", ["skip", "clip", "raise"])
@pytest.mark.parametrize("weight", [1e6, NAN])
def test_a_loss_that_explodes(action: Action, weight: float) -> None:
    clp = perturber(action)
    with torch.no_grad():
        clp.classifier.head.weight.mul_(weight)
        clp.classifier.head.bias.copy_(torch.tensor([0, 1e6, -1e6]))
    before = everything(clp)
    if action == "raise":
        with pytest.raises(Divergence, match=r"loss (exploded: .* > 1e\+04|is nan)"):
            clp.step(*batch(8))
        return
    metrics = clp.step(*batch(8))
    if action == "clip" and math.isfinite(weight):  # its gradient at the logits is bounded
        assert metrics["loss/classifier"] > 1e4
        assert not same(everything(clp)["model"], before["model"])
    else:
        assert metrics == {"skipped": 1}
        assert same(everything(clp), before)


def moved_alone(clp: CausalLogitPerturbation, before: dict[str, Any], delta: Tensor | None) -> None:
    """The network stayed; the classifier took an ordinary step with `delta`."""
    after = everything(clp)
    assert same(after["network"]["mlp.2.weight"], before["network"]["mlp.2.weight"])
    assert same(after["network_optimizer"], before["network_optimizer"])
    torch.manual_seed(5)
    twin = small_net()
    optimizer = OPTIMIZERS["nesterov"](twin)
    twin.load_state_dict(before["model"])
    plain_step(twin, optimizer, *batch(8), delta)
    torch.testing.assert_close(after["model"], twin.state_dict(), rtol=1e-5, atol=1e-6)


def seeded_step(clp: CausalLogitPerturbation) -> dict[str, float]:
    images, labels = batch(8)
    torch.manual_seed(5)
    small_net()  # as many random numbers as the twin's construction takes
    return clp.step(images, labels)


@pytest.mark.parametrize(
    ("limit", "meta"), [(1e-9, None), (10.0, (bad_pixels(NAN, 0)[0][:4], torch.zeros(4).long()))]
)
def test_a_hypergradient_that_explodes_is_skipped(
    limit: float, meta: tuple[Tensor, Tensor] | None, caplog: pytest.LogCaptureFixture
) -> None:
    clp = perturber("skip", meta, hypergradient=limit)
    nn.init.zeros_(clp.network.mlp[-1].weight)
    nn.init.constant_(clp.network.mlp[-1].bias[:1].data, 2.0)
    nn.init.zeros_(clp.network.mlp[-1].bias[1:].data)
    before = everything(clp)
    metrics = seeded_step(clp)
    assert not metrics["hypergradient/norm"] <= limit
    assert ("hypergradient exploded" if meta is None else "meta loss is nan") in caplog.text
    moved_alone(clp, before, torch.tensor([2.0, 0.0, 0.0]))


def test_a_hypergradient_that_explodes_is_clipped_to_its_limit() -> None:
    clp = perturber("clip", hypergradient=1e-3)
    norm = clp.step(*batch(8))["hypergradient/norm"]
    assert norm > 1e-3
    total = torch.stack([p.grad.norm() for p in clp.network.parameters()]).norm()
    assert total.item() == pytest.approx(1e-3, 1e-4)


def test_a_hypergradient_that_explodes_raises() -> None:
    clp = perturber("raise", hypergradient=1e-9)
    with pytest.raises(Divergence, match="hypergradient exploded"):
        clp.step(*batch(8))


def test_a_meta_set_that_is_never_finite_ends_patience(caplog: pytest.LogCaptureFixture) -> None:
    images, labels = bad_pixels(NAN, 0)
    clp = perturber("clip", (images, labels))
    for _ in range(2):
        clp.step(*batch(8))
    with pytest.raises(Divergence, match="meta loss is nan; 3 updates in a row"):
        clp.step(*batch(8))


def after_a_step(
    weight: float, meta: tuple[Tensor, Tensor] | None = None, **limits: float
) -> dict[str, Tensor]:
    """The classifier that learned from the meta loss with this weight."""
    torch.manual_seed(5)
    clp = perturber("clip", meta)
    clp.guard.limits.update(
        {"meta loss": 1e4} | {n.replace("_", " "): v for n, v in limits.items()}
    )
    clp.network_optimizer.param_groups[0]["lr"] = 0.0  # the same delta for all
    clp.meta_weight = weight
    assert clp.step(*batch(8))["skipped"] == 0.0
    return copy.deepcopy(clp.classifier.model.state_dict())


def test_a_meta_batch_that_is_not_finite_does_not_reach_the_classifier() -> None:
    assert same(after_a_step(1.0, bad_pixels(NAN, 0)), after_a_step(0.0))


def test_a_meta_loss_that_explodes_counts_by_its_limit() -> None:
    without, whole = after_a_step(0.0), after_a_step(1.0)
    limited = after_a_step(1.0, meta_loss=1e-2)
    own, all_of_it = (
        (model["0.weight"] - without["0.weight"]).norm().item() for model in (limited, whole)
    )
    assert 0 < own < 0.02 * all_of_it


@pytest.mark.parametrize(("action", "share"), [("clip", 0.5), ("skip", 0.0)])
def test_a_delta_that_explodes(
    action: Action, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    clp = perturber(action, delta=1.0)
    clp.network_optimizer.param_groups[0]["lr"] = 0.0
    nn.init.zeros_(clp.network.mlp[-1].weight)
    delta = torch.tensor([2.0, -1.0, 0.0])
    clp.network.mlp[-1].bias.data.copy_(delta)
    before = everything(clp)
    metrics = seeded_step(clp)
    after = everything(clp)
    before["network_optimizer"] = after["network_optimizer"]  # its Adam moved, at a rate of zero
    moved_alone(clp, before, share * delta)
    expected = (share * delta)[batch(8)[1]].mean().item()
    assert metrics["delta/label"] == pytest.approx(expected, abs=1e-6)


def test_a_delta_that_explodes_raises() -> None:
    clp = perturber("raise", delta=1e-9)
    with pytest.raises(Divergence, match="delta exploded"):
        clp.step(*batch(8))


def test_a_network_that_is_lost_leaves_plain_training_and_then_stops(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clp = perturber("clip")
    with torch.no_grad():
        clp.network.mlp[-1].bias.fill_(NAN)
    nan_network = everything(clp)
    with caplog.at_level(logging.WARNING):
        seeded_step(clp)
    assert "delta is nan" in caplog.text
    moved_alone(clp, nan_network, None)
    clp.step(*batch(8))
    with pytest.raises(Divergence, match="delta is nan; 3 updates in a row"):
        clp.step(*batch(8))
