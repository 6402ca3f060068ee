"""Every average against a slow, obvious loop."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from causalogit.data import InMemory, Split
from causalogit.evaluate.metrics import (
    RunningMeans,
    classification_metrics,
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
    loss = [-logits[i].log_softmax(0)[labels[i]].item() for i in range(200)]
    assert metrics["loss/mean"] == pytest.approx(sum(loss) / 200, rel=1e-5)


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
