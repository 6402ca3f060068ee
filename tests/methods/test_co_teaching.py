"""Two networks: who learns from what, how much is left out, and the second one's rates."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F

from causalogit.config import ControlsConfig, OptimizerConfig
from causalogit.methods import build_method
from causalogit.methods.co_teaching import small_losses


@pytest.mark.parametrize("forgotten", [0.0, 0.2, 0.5, 0.99])
def test_small_losses_against_a_loop(forgotten):
    losses = torch.randn(17, generator=torch.Generator().manual_seed(2))
    chosen = small_losses(losses, forgotten).tolist()
    kept = max(1, int((1 - forgotten) * 17))
    assert len(chosen) == kept
    left = [i for i in range(17) if i not in chosen]
    assert not left or max(losses[chosen]) <= min(losses[left])


def test_forgetting_is_complete_in_the_tenth_epoch(make_task):
    controls = ControlsConfig(co_teaching_forget_rate=0.4)
    optimizer = OptimizerConfig(epochs=13)
    method = build_method(make_task(method="co_teaching", controls=controls, optimizer=optimizer))
    rates = []
    for _ in range(13):
        rates.append(method.forgotten)
        method.end_epoch()
    assert rates == pytest.approx([0.4 * epoch / 9 for epoch in range(10)] + [0.4] * 3)


@pytest.mark.parametrize(
    ("epochs", "shares"), [(1, [0]), (2, [0, 1]), (5, [0, 0.25, 0.5, 0.75, 1])]
)
def test_forgetting_is_complete_in_the_last_epoch_of_few(make_task, epochs, shares):
    controls = ControlsConfig(co_teaching_forget_rate=0.4)
    optimizer = OptimizerConfig(epochs=epochs)
    method = build_method(make_task(method="co_teaching", controls=controls, optimizer=optimizer))
    rates = []
    for _ in range(epochs):
        rates.append(method.forgotten)
        method.end_epoch()
    assert rates == pytest.approx([0.4 * share for share in shares])


def test_each_learns_from_what_the_other_finds_easiest(make_task):
    controls = ControlsConfig(co_teaching_forget_rate=0.5)
    task = make_task(method="co_teaching", controls=controls)
    method = build_method(task)
    for _ in range(10):
        method.end_epoch()
    networks = [copy.deepcopy(task.model), copy.deepcopy(method.network)]
    batch = task.data.train.batch(torch.arange(24) * 37)
    choices = []
    for network in networks:
        losses = [
            F.cross_entropy(network(batch.images[i : i + 1]), batch.labels[i : i + 1]).item()
            for i in range(24)
        ]
        choices.append(sorted(range(24), key=lambda i: losses[i])[:12])
    assert set(choices[0]) != set(choices[1])
    for network, choice in zip(networks, reversed(choices), strict=True):
        optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
        F.cross_entropy(network(batch.images[choice]), batch.labels[choice]).backward()
        optimizer.step()
    method.step(batch)
    for ours, expected in zip((task.model, method.network), networks, strict=True):
        for a, b in zip(ours.parameters(), expected.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-6)


def test_second_network_follows_the_schedule_and_the_checkpoint(make_task):
    task = make_task(method="co_teaching")
    method = build_method(task)
    batch = task.data.train.batch(torch.arange(24) * 37)
    method.step(batch)
    method.end_epoch()
    task.optimizer.param_groups[0]["lr"] = 0.003
    method.step(batch)
    assert method.optimizer.param_groups[0]["lr"] == 0.003
    other = build_method(make_task(method="co_teaching"))
    other.load_state_dict(copy.deepcopy(method.state_dict()))
    assert other.epoch == 1
    other.task.model.load_state_dict(task.model.state_dict())
    other.task.optimizer.load_state_dict(copy.deepcopy(task.optimizer.state_dict()))
    method.step(batch)
    other.step(batch)
    for a, b in zip(method.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(a, b)
