"""Meta-Weight-Net as a method, and the suspicion that it shares with CLP."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from causalogit.config import ClpConfig, NetworkConfig
from causalogit.methods import METHODS, build_method
from causalogit.methods.clp import Clp

CLPS = [name for name, kind in METHODS.items() if issubclass(kind, Clp)]


def some(task, count=48):
    return task.data.train.batch(torch.arange(count) * 13 % 900)


def test_it_is_the_network_of_the_paper(make_task):
    method = build_method(make_task(method="meta_weight_net"))
    layers = list(method.clp.network.mlp)
    assert [type(m) for m in layers] == [nn.Linear, nn.ReLU, nn.Linear]
    assert (layers[0].in_features, layers[0].out_features, layers[2].out_features) == (1, 100, 1)
    assert method.clp.network.normalise is None
    group = method.clp.network_optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (1e-3, 1e-4)
    assert method.information() == "A"


@pytest.mark.parametrize(("name", "own"), [("meta_weight_net", 1e-4), ("clp", 0.0)])
def test_weight_decay_of_the_network_is_the_methods_own_or_the_configs(name, own, make_task):
    for given, expected in ((None, own), (0.0, 0.0), (0.1, 0.1)):
        config = ClpConfig(network=NetworkConfig(weight_decay=given))
        method = build_method(make_task(method=name, clp=config))
        assert method.clp.network_optimizer.param_groups[0]["weight_decay"] == expected


def test_its_input_is_the_loss_and_its_output_a_weight_whatever_the_config_says(make_task):
    config = ClpConfig(
        characteristics=("margin", "entropy"), network=NetworkConfig(form="contrast", hidden=7)
    )
    task = make_task(method="meta_weight_net", clp=config)
    method, batch = build_method(task), some(task)
    metrics = method.step(batch)
    assert {"weight/mean", "weight/min", "weight/max", "weight/effective"} <= set(metrics)
    assert not {"delta/label", "loss/meta_factual", "loss/meta_counterfactual"} & set(metrics)
    assert method.clp.network.mlp[0].out_features == 7
    task.model.eval()
    values, weights = method.perturbation(batch)
    with torch.no_grad():
        losses = nn.functional.cross_entropy(
            task.model(batch.images), batch.labels, reduction="none"
        )
        expected = method.clp.network.mlp(losses[:, None]).sigmoid().squeeze(1)
    torch.testing.assert_close(values.squeeze(1), losses)
    torch.testing.assert_close(weights, expected)


def test_weights_can_come_from_all_characteristics(make_task):
    config = ClpConfig(network=NetworkConfig(form="weight"))
    task = make_task(method="meta_lp", clp=config)
    method = build_method(task)
    metrics = method.step(some(task))
    assert metrics["weight/mean"] == pytest.approx(0.5, abs=0.05)
    assert [t.shape for t in method.perturbation(some(task))] == [(48, 10), (48,)]


def test_suspicion_of_weights_is_less_the_weight(make_task):
    task = make_task(method="meta_weight_net")
    method, batch = build_method(task), some(task)
    method.step(batch)
    assert torch.equal(method.suspicion(batch), -method.perturbation(batch)[1])


def test_suspicion_of_delta_is_its_lead_at_the_label(make_task):
    task = make_task(method="clp")
    method, batch = build_method(task), some(task)
    method.step(batch)
    delta = method.perturbation(batch)[1]
    expected = [
        d[y] - torch.cat([d[:y], d[y + 1 :]]).mean()
        for d, y in zip(delta, batch.labels.tolist(), strict=True)
    ]
    torch.testing.assert_close(method.suspicion(batch), torch.stack(expected))
    assert delta.abs().max() > 0


@pytest.mark.parametrize("name", CLPS)
def test_suspicion_learns_nothing(name, make_task):
    task = make_task(method=name)
    method, batch = build_method(task), some(task)
    method.step(batch)
    before = copy.deepcopy((method.state_dict(), task.model.state_dict()))
    suspicion = method.suspicion(batch)
    assert suspicion.shape == (48,)
    assert not suspicion.requires_grad
    torch.testing.assert_close(
        (method.state_dict(), task.model.state_dict()), before, rtol=0, atol=0
    )
