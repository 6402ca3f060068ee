"""The first network's errors are found once, repeatably, and drawn more often."""

from __future__ import annotations

import copy

import pytest
import torch

from causalogit.config import ControlsConfig
from causalogit.methods import build_method
from tests.methods.conftest import first_network_by_hand, train_on

SIZES = (120, 60, 20, 5, 1)


def jtt(make_task, sizes=SIZES, **controls):
    return build_method(
        train_on(make_task(method="jtt", controls=ControlsConfig(**controls)), sizes)
    )


def test_errors_against_a_loop(make_task):
    method = jtt(make_task, jtt_epochs=3, jtt_weight=7.0)
    train = method.task.data.train
    network = first_network_by_hand(train, [0.01] * 3)
    everything = train.batch(torch.arange(len(train)))
    wrong = network(everything.images).argmax(1) != everything.labels
    assert 0 < wrong.sum() < len(train)
    weights = method.sampling_weights()
    assert weights.tolist() == [7.0 if one else 1.0 for one in wrong.tolist()]


def test_the_first_network_touches_neither_classifier_nor_draws(make_task):
    method = jtt(make_task)
    task = method.task
    before, state = copy.deepcopy(task.model.state_dict()), torch.get_rng_state()
    draws = task.generator.get_state()
    method.sampling_weights()
    assert all(torch.equal(before[name], value) for name, value in task.model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(draws, task.generator.get_state())
    assert not task.optimizer.state


def test_errors_are_kept_and_not_found_again(make_task):
    method = jtt(make_task)
    weights = method.sampling_weights()
    resumed = jtt(make_task)
    resumed.task.optimizer.param_groups[0]["lr"] = 1e9  # would find others
    resumed.load_state_dict(method.state_dict())
    assert torch.equal(resumed.sampling_weights(), weights)


@pytest.mark.parametrize("name", ["jtt", "class_balanced_sampling", "crt", "tau_norm"])
def test_the_whole_training_split_may_be_without_masks_and_groups(name, make_task):
    results = []
    for blind in (False, True):
        controls = ControlsConfig(crt_epochs=1)
        task = train_on(make_task(method=name, controls=controls), SIZES, blind=blind)
        method = build_method(task)
        weights = method.sampling_weights()
        method.finish(task.model)
        parts = [p.detach().flatten() for p in task.model.parameters()]
        results.append(torch.cat(parts if weights is None else [*parts, weights.float()]))
    assert torch.equal(*results)
