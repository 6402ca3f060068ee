"""What all methods promise: they learn, repeat themselves, and go on from a checkpoint."""

from __future__ import annotations

import copy
import io
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from causalogit.data import InMemory
from causalogit.methods import BUDGETS, METHODS, build_method, find_method
from tests.devices import needs_gpu


def batches(task, count=3):
    return [task.data.train.batch(torch.arange(i, i + 12) * 30 % 900) for i in range(count)]


def weights(model):
    return torch.cat([p.detach().flatten().clone() for p in model.parameters()])


@pytest.mark.parametrize("name", METHODS)
def test_step_moves_the_weights_and_repeats_itself(name, make_task):
    results = []
    for _ in range(2):
        task = make_task(method=name)
        before = weights(task.model)
        method = build_method(task)
        for batch in batches(task):
            metrics = method.step(batch)
        assert all(isinstance(value, float) for value in metrics.values())
        assert "loss/train" in metrics
        assert not torch.equal(weights(task.model), before)
        results.append(weights(task.model))
    assert torch.equal(*results)


@needs_gpu
@pytest.mark.parametrize("name", METHODS)
def test_steps_on_a_gpu_are_those_of_the_cpu(name, make_task, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    results = []
    for device in ("cpu", "cuda"):
        task = make_task(device, method=name)
        method = build_method(task)
        for batch in batches(task, 2):
            method.step(batch.to(task.device))
        method.finish(task.model)
        results.append(weights(task.model).cpu())
    assert torch.allclose(*results, rtol=0, atol=5e-3)  # a step of Adam for a gradient of nearly 0


@pytest.mark.parametrize("name", METHODS)
def test_state_goes_on_where_it_was(name, make_task):
    task = make_task(method=name)
    method = build_method(task)
    first, second, third = batches(task)
    method.step(first)
    method.end_epoch()
    method.step(second)
    file = io.BytesIO()
    torch.save((method.state_dict(), [stream.state_dict() for stream in task.streams]), file)
    file.seek(0)
    other_task = make_task(method=name)
    other_task.model.load_state_dict(copy.deepcopy(task.model.state_dict()))
    other_task.optimizer.load_state_dict(copy.deepcopy(task.optimizer.state_dict()))
    other = build_method(other_task)
    state, streams = torch.load(file, weights_only=True)
    other.load_state_dict(state)
    for stream, own in zip(other_task.streams, streams, strict=True):
        stream.load_state_dict(own)
    other_task.generator.set_state(task.generator.get_state())
    method.step(third)
    other.step(third)
    assert torch.equal(weights(task.model), weights(other_task.model))


@pytest.mark.parametrize("name", METHODS)
def test_budget_is_one_of_the_four(name):
    assert METHODS[name].budget in BUDGETS
    assert METHODS[name].title
    assert METHODS[name].__doc__


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m.budget in "AB"])
def test_budgets_a_and_b_do_without_masks_and_groups_of_training_images(name, make_task):
    """The same weights come out when the training images' masks and groups are taken away."""
    results = []
    for hide in (False, True):
        task = make_task(method=name)
        method = build_method(task)
        for batch in batches(task):
            unknown = torch.full_like(batch.groups, -1)
            method.step(batch._replace(masks=None, groups=unknown) if hide else batch)
        results.append(weights(task.model))
    assert torch.equal(*results)


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m.budget == "A"])
def test_budget_a_does_without_masks_of_meta_images(name, make_task):
    results = []
    for hide in (False, True):
        task = make_task(method=name)
        if hide:
            meta = task.data.meta
            data = copy.copy(task.data)
            object.__setattr__(
                data, "meta", replace(meta, images=InMemory(meta.everything().images))
            )
            object.__setattr__(task, "data", data)
        method = build_method(task)
        for batch in batches(task):
            method.step(batch)
        method.finish(task.model)
        results.append(weights(task.model))
    assert torch.equal(*results)


def test_unknown_method_is_named():
    with pytest.raises(ValueError, match="method 'emr' is not known: choose among clp, meta_lp"):
        find_method("emr")


def test_erm_is_a_plain_step(make_task):
    task = make_task(method="erm")
    batch = batches(task)[0]
    twin = copy.deepcopy(task.model)
    optimizer = torch.optim.SGD(twin.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    F.cross_entropy(twin(batch.images), batch.labels).backward()
    optimizer.step()
    build_method(task).step(batch)
    assert torch.equal(weights(task.model), weights(twin))
