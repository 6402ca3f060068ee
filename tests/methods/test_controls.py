"""What is special about each control."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from causalogit.config import ControlsConfig
from causalogit.core import Pace
from causalogit.data import epoch_order
from causalogit.methods import build_method
from tests.methods.conftest import some


def test_meta_images_are_added_once_an_epoch(make_task):
    task = make_task(method="erm_meta")
    split = build_method(task).training_split()
    assert len(split) == 900 + 50
    added = split.batch(torch.arange(900, 950))
    assert torch.equal(added.images, task.data.meta.everything().images)


@pytest.mark.parametrize("name", ["group_balanced", "group_dro"])
def test_groups_are_drawn_equally_often(name, make_task):
    task = make_task(method=name)
    drawn = epoch_order(50_000, None, 0, 0)  # only to fix the size below
    weights = build_method(task).sampling_weights()
    drawn = torch.multinomial(weights, 50_000, True, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(task.data.train.groups[drawn], minlength=25)
    present = task.data.group_counts > 0
    expected = 50_000 / present.sum()
    assert ((counts[present] - expected).abs() < 0.15 * expected).all()


def test_group_dro_against_a_loop(make_task):
    task = make_task(method="group_dro", controls=ControlsConfig(group_dro_step=0.5))
    method, batch = build_method(task), some(task)
    logits = copy.deepcopy(task.model)(batch.images)
    losses = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="none")
    weights = [1 / 25] * 25
    means = [0.0] * 25
    for group in range(25):
        own = [losses[i].item() for i in range(len(losses)) if batch.groups[i] == group]
        if own:
            means[group] = sum(own) / len(own)
            weights[group] *= torch.tensor(0.5 * means[group]).exp().item()
    weights = [w / sum(weights) for w in weights]
    metrics = method.step(batch)
    expected = sum(w * m for w, m in zip(weights, means, strict=True))
    assert metrics["loss/train"] == pytest.approx(expected, rel=1e-4)
    assert torch.allclose(method.weights, torch.tensor(weights), rtol=1e-4)


def test_factual_images_keep_the_object_and_change_the_background(make_task):
    task = make_task(method="erm_factual")
    batch = some(task)
    changed = build_method(task).images(batch)
    on = (batch.masks > 0).expand_as(changed)
    assert torch.equal(changed[on], batch.images[on])
    assert (changed[~on] != batch.images[~on]).float().mean() > 0.5


@pytest.mark.parametrize("name", ["erm_counterfactual", "erm_factual_counterfactual"])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_images_without_their_object_are_not_of_its_class(name, share, make_task):
    task = make_task(method=name)
    batch = some(task)
    batch.masks[int(share * len(batch.masks)) :] = 1  # nothing is known of these
    method = build_method(task)
    random = task.generator.get_state()
    logits = task.model(method.images(batch))
    task.generator.set_state(random)
    loss = nn.functional.cross_entropy(logits, batch.labels)
    for image, mask, label in zip(batch.images, batch.masks, batch.labels, strict=True):
        rows, columns = (mask[0] > 0).any(1).nonzero(), (mask[0] > 0).any(0).nonzero()
        if mask.min() < 1:
            box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            removed = image.clone()
            removed[(slice(None), *box)] = task.data.mean[:, None, None]
            chance = task.model(removed[None]).softmax(1)[0, label]
            loss -= (1 - chance).log() / len(batch.labels)
    assert method.step(batch)["loss/train"] == pytest.approx(loss.item(), rel=1e-5)


def test_running_statistics_are_of_images_with_objects(make_task):
    seen = []
    for name in ("erm", "erm_counterfactual"):
        task = make_task(method=name)
        task.model.features.insert(1, nn.BatchNorm2d(6))
        build_method(task).step(some(task))
        seen.append(task.model.features[1].running_mean)
    assert torch.equal(*seen)


def test_product_of_experts_with_alpha_zero_is_erm(make_task):
    ends = []
    for name in ("erm", "product_of_experts"):
        task = make_task(method=name, controls=ControlsConfig(product_alpha=0.0))
        build_method(task).step(some(task))
        ends.append(torch.cat([p.flatten() for p in task.model.parameters()]))
    assert torch.equal(*ends)


def test_logit_correction_counts_classes_among_images_of_the_same_attribute(make_task):
    task = make_task(method="logit_correction")
    method, batch = build_method(task), some(task)
    train, shares = task.data.train, method.delta(batch).exp()
    for i, group in enumerate(batch.groups.tolist()):
        alike = train.labels[train.groups % 5 == group % 5]
        for label in range(5):
            count = (alike == label).sum().item() + 1
            assert shares[i, label].item() == pytest.approx(count / (len(alike) + 5), rel=1e-4)
    logits = copy.deepcopy(task.model)(batch.images)
    expected = torch.nn.functional.cross_entropy(logits + shares.log(), batch.labels).item()
    assert method.step(batch)["loss/train"] == pytest.approx(expected, rel=1e-4)


def test_a_paced_product_of_experts_multiplies_its_loss(make_task):
    """By what delta takes away of the residuals, and a checkpoint keeps how much that was."""
    losses, memories = {}, {}
    for limit in (1.0, 10.0):
        controls = ControlsConfig(product_alpha=0.9, pace=limit)
        task = make_task(method="product_of_experts", controls=controls)
        method = build_method(task)
        batch = task.data.train.batch(torch.arange(16))
        delta = 0.9 * method.expert.log_probabilities(batch)
        losses[limit] = method.step(batch)["loss/train"]
        memories[limit] = method.state_dict()["pace"]
    expected = Pace(10.0).after(delta, batch.labels)
    assert expected > 1.001
    assert losses[10.0] == pytest.approx(expected * losses[1.0], rel=1e-4)
    assert memories[1.0] is None
    again = build_method(make_task(method="product_of_experts", controls=controls))
    again.load_state_dict(method.state_dict())
    assert again.pace.left == memories[10.0]
