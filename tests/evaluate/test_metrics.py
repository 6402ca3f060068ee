"""Every average against a slow, obvious loop."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from causalogit.data import InMemory, Split
from causalogit.evaluate.metrics import (
    RunningMeans,
    calibration_error,
    classification_metrics,
    mean_precision,
    predict,
)  # fmt: skip
from causalogit.evaluate.metrics import (
    test_metrics as published_names,
)


def test_all_averages_against_loops():
    torch.manual_seed(0)
    logits, labels = torch.randn(200, 3), torch.randint(0, 3, (200,))
    groups = labels * 2 + (torch.rand(200) < 0.3).long()
    groups[groups == 5] = 4  # group 5 has no image here
    counts = torch.tensor([50, 5, 40, 7, 30, 0])
    metrics = classification_metrics(logits, labels, groups, counts)
    right = [int(logits[i].argmax() == labels[i]) for i in range(200)]

    def accuracy(keys, key):
        own = [right[i] for i in range(200) if keys[i] == key]
        return sum(own) / len(own)

    by_group = [accuracy(groups, group) for group in range(5)]
    assert metrics["accuracy/mean"] == pytest.approx(sum(right) / 200)
    assert metrics["accuracy/worst_group"] == pytest.approx(min(by_group))
    assert metrics["accuracy/group_mean"] == pytest.approx(sum(by_group) / 5)
    weighted = sum(a * n for a, n in zip(by_group, counts.tolist(), strict=False)) / 132
    assert metrics["accuracy/train_weighted"] == pytest.approx(weighted)
    by_class = [accuracy(labels, label) for label in range(3)]
    assert metrics["accuracy/worst_class"] == pytest.approx(min(by_class))
    assert [metrics[f"accuracy/group/{g}"] for g in range(5)] == pytest.approx(by_group)
    assert "accuracy/group/5" not in metrics
    assert metrics["accuracy/class_mean"] == pytest.approx(sum(by_class) / 3)
    loss = [-logits[i].log_softmax(0)[labels[i]].item() for i in range(200)]
    assert metrics["loss/mean"] == pytest.approx(sum(loss) / 200, rel=1e-5)


def test_classes_by_the_size_they_have_in_training():
    answers = torch.tensor([0, 1, 1, 0, 2, 2, 3, 4, 4])
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 4, 4])
    logits = torch.eye(6)[answers]
    groups = labels * 2 + torch.tensor([0, 1] * 4 + [0])
    # 101, 100, 20, 19, 0 images of each class, and 500 of one that is not tested
    counts = torch.tensor([100, 1, 50, 50, 20, 0, 0, 19, 0, 0, 500, 0])
    metrics = classification_metrics(logits, labels, groups, counts)
    assert metrics["accuracy/many"] == 0.5
    assert metrics["accuracy/medium"] == 0.75
    assert metrics["accuracy/few"] == 1.0
    metrics = classification_metrics(logits, labels, groups, counts + 1000)
    assert "accuracy/medium" not in metrics
    assert "accuracy/few" not in metrics


def test_a_hundred_groups_are_listed_and_no_more():
    logits, labels = torch.randn(50, 50), torch.arange(50)
    few = classification_metrics(logits, labels, labels * 2, torch.ones(100).long())
    assert sum(name.startswith("accuracy/group/") for name in few) == 50
    many = classification_metrics(logits, labels, labels * 3, torch.ones(150).long())
    assert not any(name.startswith("accuracy/group/") for name in many)
    assert many["accuracy/worst_group"] == few["accuracy/worst_group"]


def test_precision_against_the_benchmarks_own_way():
    answers, labels = torch.randint(0, 4, (100,)), torch.randint(0, 5, (100,))
    labels[labels == 1] = 0  # class 1 is answered but never right, class 4 never answered
    # of every right answer, one part in as many as there are answers of its class
    shares = [
        1 / sum(int(answers[j] == answers[i]) for j in range(100))
        for i in range(100)
        if answers[i] == labels[i]
    ]
    assert mean_precision(answers, labels, 5) == pytest.approx(sum(shares) / 4)


def test_calibration_against_a_loop():
    logits = torch.randn(500, 4) * 3
    logits[:40, 0] = 200.0  # in float32 a probability of exactly 1
    labels = torch.randint(0, 4, (500,))
    sure = logits.softmax(1)
    bins: list[list[tuple[float, int]]] = [[] for _ in range(15)]
    for i in range(500):
        confidence, answer = sure[i].max(0)
        place = min(int(confidence.item() * 15), 14)
        bins[place].append((confidence.item(), int(answer == labels[i])))
    error = sum(abs(sum(c - r for c, r in own)) for own in bins) / 500
    assert calibration_error(logits, labels) == pytest.approx(error, abs=1e-6)


def test_test_metrics_carry_their_full_names():
    named = published_names({"accuracy/mean": 0.5, "accuracy/group_mean": 0.4, "loss/mean": 1.0})
    assert named == {"accuracy/test_mean": 0.5, "accuracy/group_mean": 0.4, "loss/test_mean": 1.0}


def test_predict_in_parts_in_eval_mode():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(4, 3))
    zeros, images = torch.zeros(10).long(), torch.rand(10, 1, 2, 2)
    split = Split(InMemory(images), zeros, zeros)
    model.train()
    logits = predict(model, split, torch.device("cpu"), batch_size=4)
    assert model.training
    model.eval()
    assert torch.allclose(logits, model(images))


def test_running_means_count_each_name_for_itself():
    means = RunningMeans()
    means.add({"a": 1.0, "b": 2.0})
    other = RunningMeans()
    other.load_state_dict(means.state_dict())
    other.add({"a": 3.0})
    assert other.take() == {"a": 2.0, "b": 2.0}
    assert other.take() == {}


def test_without_a_group_of_training_nothing_is_weighted_by_it():
    labels, groups = torch.tensor([0, 1]), torch.tensor([1, 3])
    metrics = classification_metrics(torch.eye(2), labels, groups, torch.tensor([5, 0, 5, 0]))
    assert "accuracy/train_weighted" not in metrics
    assert metrics["accuracy/worst_group"] == 1
