"""Class weights, focal loss and class-balanced draws against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from causalogit.config import ControlsConfig
from causalogit.methods import build_method
from causalogit.methods.reweighted import effective_number_weights, focal_losses
from tests.methods.conftest import train_on

SIZES = (120, 60, 20, 5, 1)
LOGITS = torch.randn(30, 5, generator=torch.Generator().manual_seed(3)) * 3
LABELS = torch.arange(30) % 5


def weights_by_hand(counts, beta):
    # the effective number as the sum of its series: 1 + beta + beta^2 + ...
    raw = [1 / sum(beta**power for power in range(count)) for count in counts]
    return [value * len(counts) / sum(raw) for value in raw]


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.9999])
def test_effective_numbers_against_their_series(beta):
    weights = effective_number_weights(torch.tensor(SIZES), beta)
    assert weights.tolist() == pytest.approx(weights_by_hand(SIZES, beta), rel=1e-5)
    assert weights.sum().item() == pytest.approx(5)


def test_class_without_images_counts_as_one_of_a_single_image():
    some = effective_number_weights(torch.tensor([50, 0, 1]), 0.999)
    assert torch.isfinite(some).all()
    assert some[1] == some[2]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_loss_by_hand_and_its_gradient_where_the_answer_is_certain(gamma):
    losses = focal_losses(LOGITS, LABELS, gamma)
    for row, label, loss in zip(LOGITS.tolist(), LABELS.tolist(), losses.tolist(), strict=True):
        p = math.exp(row[label]) / sum(math.exp(u) for u in row)
        assert loss == pytest.approx((1 - p) ** gamma * -math.log(p), rel=1e-4, abs=1e-7)
    certain = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    focal_losses(certain, torch.tensor([0, 0]), gamma).sum().backward()
    assert torch.isfinite(certain.grad).all()
    assert certain.grad[1].abs().sum() > 1  # the wrong one is still learned from


@pytest.mark.parametrize("name", ["class_balanced", "focal", "class_balanced_focal"])
def test_losses_of_the_methods_by_hand(name, make_task):
    controls = ControlsConfig(effective_number_beta=0.99, focal_gamma=2.0)
    method = build_method(train_on(make_task(method=name, controls=controls), SIZES))
    weights = weights_by_hand(SIZES, 0.99) if name != "focal" else [1.0] * 5
    gamma = 0.0 if name == "class_balanced" else 2.0
    total = parts = 0.0
    for row, label in zip(LOGITS.tolist(), LABELS.tolist(), strict=True):
        p = math.exp(row[label]) / sum(math.exp(u) for u in row)
        total += weights[label] * (1 - p) ** gamma * -math.log(p)
        parts += weights[label]
    assert method.loss(LOGITS, LABELS).item() == pytest.approx(total / parts, rel=1e-4)


def test_the_loss_is_what_a_step_descends_on(make_task):
    task = train_on(make_task(method="class_balanced"), SIZES)
    method, batch = build_method(task), task.data.train.batch(torch.arange(100, 206))
    expected = method.loss(task.model(batch.images), batch.labels)
    assert expected.item() != pytest.approx(
        F.cross_entropy(task.model(batch.images), batch.labels).item(), rel=1e-3
    )
    assert method.step(batch)["loss/train"] == expected.item()


def test_classes_are_drawn_equally_often(make_task):
    task = train_on(make_task(method="class_balanced_sampling"), SIZES)
    weights = build_method(task).sampling_weights()
    drawn = torch.multinomial(weights, 50_000, True, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(task.data.train.labels[drawn])
    assert ((counts - 10_000).abs() < 400).all()
