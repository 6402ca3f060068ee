"""Last layers changed after training: tau-normalised, or retrained on balanced draws."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from causalogit.config import ControlsConfig
from causalogit.core import Classifier
from causalogit.data import epoch_order
from causalogit.evaluate.metrics import predict
from causalogit.methods import build_method
from causalogit.methods.decoupled import best_tau, features_of, tau_normalised
from tests.methods.conftest import train_on

CPU = torch.device("cpu")
SIZES = (120, 60, 20, 5, 1)


def test_tau_is_the_first_best_of_the_grid_by_mean_over_classes():
    draws = torch.Generator().manual_seed(1)
    weight = torch.randn(3, 4, generator=draws) * torch.tensor([[3.0], [1.0], [0.3]])
    features = torch.randn(200, 4, generator=draws)
    # answers of tau = 0.7; with many of the images in one class
    labels = (features @ (weight / weight.norm(dim=1, keepdim=True) ** 0.7).T).argmax(1)
    scores = {}
    for step in range(21):
        tau = step / 10
        right = {c: [] for c in range(3)}
        for feature, label in zip(features, labels.tolist(), strict=True):
            logits = [(row / row.norm() ** tau) @ feature for row in weight]
            right[label].append(max(range(3), key=lambda c: logits[c]) == label)
        scores[tau] = sum(sum(hits) / len(hits) for hits in right.values()) / 3
    best = min(tau for tau, score in scores.items() if score == max(scores.values()))
    assert best_tau(features, weight, labels) == best == 0.7


def test_mean_over_classes_is_not_mean_over_images():
    # tau = 0 is right on 9 of 10 images and one class of two, tau = 2 on both
    weight = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    features = torch.tensor([[1.0, 0.1]] * 9 + [[1.0, 1.5]])
    labels = torch.tensor([0] * 9 + [1])
    assert best_tau(features, weight, labels) == 0.5  # the first with 2^(1 - tau) < 1.5
    rows = tau_normalised(weight, 0.5).norm(dim=1)
    assert torch.allclose(rows, torch.tensor([2.0**0.5, 1.0]))


def test_tau_norm_finishes_with_the_meta_sets_tau_and_no_bias(make_task):
    task = make_task(method="tau_norm")
    head = Classifier(task.model, 5).head
    with torch.no_grad():
        head.weight.mul_(torch.tensor([[9.0], [1.0], [1.0], [1.0], [0.1]]))
    before = copy.deepcopy(task.model)
    build_method(task).finish(task.model)
    features = features_of(Classifier(before, 5), task.data.meta, CPU)
    old = Classifier(before, 5).head.weight
    tau = best_tau(features, old, task.data.meta.labels)
    assert tau > 0
    expected = features @ (old / old.norm(dim=1, keepdim=True) ** tau).T
    assert torch.allclose(predict(task.model, task.data.meta, CPU), expected, atol=1e-5)
    only_the_head_changed(task.model, before)


def only_the_head_changed(model, before):
    old = before.state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, old[name]) != name.startswith("classifier.5"), name


def test_crt_leaves_the_backbone_alone_and_repeats_itself(make_task):
    task = train_on(make_task(method="crt", controls=ControlsConfig(crt_epochs=2)), SIZES)
    method, before = build_method(task), copy.deepcopy(task.model)
    first, second = copy.deepcopy(task.model), copy.deepcopy(task.model)
    state, draws = torch.get_rng_state(), task.generator.get_state()
    method.finish(first)
    torch.rand(3)
    # the end of a schedule, and what the old head had learned, leave no trace
    task.optimizer.param_groups[0] |= {"initial_lr": 0.01, "lr": 0.0}
    with torch.no_grad():
        Classifier(second, 5).head.weight.add_(1)
    method.finish(second)
    only_the_head_changed(first, before)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )
    assert first.training
    assert torch.equal(task.generator.get_state(), draws)
    torch.set_rng_state(state)


def test_crt_against_a_loop_on_transformed_images(make_task):
    controls = ControlsConfig(crt_epochs=3)
    task = train_on(make_task(method="crt", seed=4, controls=controls), SIZES)
    train = task.data.train
    train = replace(train, transform=lambda images, masks, draws: (images.flip(3), masks))
    task = replace(task, data=replace(task.data, train=train))
    labels = train.labels
    with torch.no_grad():
        features = Classifier(task.model.eval(), 5)(train.everything().images.flip(3))[1]
    torch.manual_seed(4)
    head = nn.Linear(84, 5)
    optimizer = torch.optim.SGD(head.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    weights = torch.tensor([1 / SIZES[label] for label in labels], dtype=torch.float64)
    drawn = []
    for epoch in range(3):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 + math.cos(math.pi * epoch / 3)) / 2
        order = epoch_order(206, weights, 1_000_004, epoch)
        drawn.append(order)
        for start in range(0, 206, 32):
            batch = order[start : start + 32]
            optimizer.zero_grad()
            F.cross_entropy(head(features[batch]), labels[batch]).backward()
            optimizer.step()
    shares = torch.bincount(labels[torch.cat(drawn)]) / (3 * 206)
    assert torch.allclose(shares, torch.full((5,), 0.2), atol=0.05)
    build_method(task).finish(task.model)
    trained = Classifier(task.model, 5).head
    assert torch.allclose(trained.weight, head.weight, atol=1e-6)
    assert torch.allclose(trained.bias, head.bias, atol=1e-6)


@pytest.mark.parametrize("name", ["tau_norm", "crt"])
def test_last_layer_without_a_bias(name, make_task):
    task = make_task(method=name, controls=ControlsConfig(crt_epochs=1))
    task.model.classifier[5] = nn.Linear(84, 5, bias=False)
    task.optimizer.param_groups[0]["params"] = list(task.model.parameters())
    build_method(task).finish(task.model)
    assert torch.isfinite(predict(task.model, task.data.meta, CPU)).all()
