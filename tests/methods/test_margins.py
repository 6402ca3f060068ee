"""Logit adjustment and LDAM-DRW against loops; the head of LDAM-DRW is a cosine classifier."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch.nn import functional as F

from causalogit.config import ControlsConfig, OptimizerConfig
from causalogit.core import Classifier
from causalogit.evaluate.metrics import predict
from causalogit.methods import build_method
from causalogit.methods.margins import ldam_margins
from causalogit.methods.reweighted import effective_number_weights
from tests.methods.conftest import train_on

SIZES = (120, 60, 20, 5, 1)


@pytest.mark.parametrize("tau", [0.0, 1.0, 1.5])
def test_logit_adjustment_by_hand(tau, make_task):
    task = make_task(method="logit_adjustment", controls=ControlsConfig(logit_adjustment_tau=tau))
    method = build_method(train_on(task, SIZES))
    logits, labels = torch.randn(20, 5), torch.arange(20) % 5
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        terms = [math.exp(u) * (n / sum(SIZES)) ** tau for u, n in zip(row, SIZES, strict=True)]
        total -= math.log(terms[label] / sum(terms))
    assert method.loss(logits, labels).item() == pytest.approx(total / 20, rel=1e-5)


def test_margins_by_hand():
    by_hand = [0.5 * (1 / n) ** 0.25 for n in SIZES]  # the largest is that of the single image
    assert ldam_margins(torch.tensor(SIZES)).tolist() == pytest.approx(by_hand, rel=1e-6)
    assert ldam_margins(torch.tensor([16, 0])).tolist() == pytest.approx([0.25, 0.5])
    assert ldam_margins(torch.tensor([256, 16])).tolist() == pytest.approx([0.25, 0.5])


def ldam_task(make_task, start=0.8):
    task = make_task(
        method="ldam_drw",
        controls=ControlsConfig(ldam_drw_start=start),
        optimizer=OptimizerConfig(epochs=5),
    )
    return train_on(task, SIZES)


@pytest.mark.parametrize(("epochs", "weighted"), [(0, False), (3, False), (4, True)])
def test_ldam_drw_loss_by_hand(epochs, weighted, make_task):
    task = ldam_task(make_task)
    method = build_method(task)
    for _ in range(epochs):
        method.end_epoch()
    batch = task.data.train.batch(torch.arange(90, 206))
    _, features = Classifier(copy.deepcopy(task.model), 5)(batch.images)
    head = Classifier(task.model, 5).head.weight
    margins = [0.5 * n**-0.25 for n in SIZES]
    weights = effective_number_weights(torch.tensor(SIZES), 0.9999).tolist()
    total = parts = 0.0
    for feature, label in zip(features, batch.labels.tolist(), strict=True):
        cosines = [F.cosine_similarity(feature, row, 0).item() for row in head]
        cosines[label] -= margins[label]
        loss = -30 * cosines[label] + math.log(sum(math.exp(30 * c) for c in cosines))
        weight = weights[label] if weighted else 1.0
        total, parts = total + weight * loss, parts + weight
    assert method.step(batch)["loss/train"] == pytest.approx(total / parts, rel=1e-4)


def test_start_of_one_is_ldam_without_weights(make_task):
    task = ldam_task(make_task, start=1.0)
    method, late = build_method(task), build_method(ldam_task(make_task, start=1.0))
    for _ in range(4):
        late.end_epoch()
    batch = task.data.train.batch(torch.arange(100, 206))
    assert method.step(batch) == late.step(batch)


def test_whoever_evaluates_the_model_gets_the_cosine_classifiers_answers(make_task):
    task = ldam_task(make_task)
    method = build_method(task)
    for start in range(0, 120, 30):
        method.step(task.data.train.batch(torch.arange(start, start + 86)))
    classifier = Classifier(task.model, 5)
    with torch.no_grad():
        logits, features = classifier(task.data.meta.everything().images)
        own = F.one_hot(task.data.meta.labels, 5) * ldam_margins(torch.tensor(SIZES))
        cosines = method.logits(features, task.data.meta.labels) / 30 + own
    lengths = features.norm(dim=1, keepdim=True)
    assert torch.allclose(logits, lengths * cosines, atol=1e-5)
    assert torch.allclose(classifier.head.weight.norm(dim=1), torch.ones(5), atol=1e-6)
    assert not classifier.head.bias.any()
    method.finish(task.model)
    after = predict(task.model, task.data.meta, torch.device("cpu"))
    assert torch.allclose(after, logits, atol=1e-5)


def test_rows_move_as_if_they_had_never_been_normalised(make_task):
    """The dynamics of the authors' code: the cosine's weights keep the lengths they grow to."""
    task = ldam_task(make_task)
    method, free = build_method(task), copy.deepcopy(task.model)
    head = Classifier(free, 5).head
    with torch.no_grad():
        head.weight.copy_(F.normalize(head.weight))
    optimizer = torch.optim.SGD(free.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    for start in range(0, 120, 30):
        batch = task.data.train.batch(torch.arange(start, start + 86))
        _, features = Classifier(free, 5)(batch.images)
        cosines = F.linear(F.normalize(features), F.normalize(head.weight))
        margins = F.one_hot(batch.labels, 5) * ldam_margins(torch.tensor(SIZES))
        optimizer.zero_grad()
        F.cross_entropy(30 * (cosines - margins), batch.labels).backward()
        optimizer.step()
        method.step(batch)
    assert torch.allclose(method.rows, head.weight, atol=1e-6)
    assert (method.rows.norm(dim=1) > 1.001).any()
    trained = Classifier(task.model, 5).head
    assert torch.allclose(trained.weight, F.normalize(head.weight), atol=1e-6)
    assert torch.allclose(task.model.classifier[1].weight, free.classifier[1].weight, atol=1e-6)
