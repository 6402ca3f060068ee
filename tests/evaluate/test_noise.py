"""The area under the ROC curve is the chance that a wrong label ranks above a right one."""

from __future__ import annotations

import pytest
import torch

from causalogit.evaluate.noise import noise_metrics


def chance(wrong, values):
    pairs = [
        1.0 if values[i] > values[j] else 0.5 if values[i] == values[j] else 0.0
        for i in range(len(wrong))
        for j in range(len(wrong))
        if wrong[i] and not wrong[j]
    ]
    return sum(pairs) / len(pairs)


def test_areas_against_counted_pairs():
    wrong = torch.rand(60) < 0.3
    losses = (torch.rand(60) + 0.5 * wrong).mul(10).round()  # with ties
    suspicion = torch.randn(60)
    metrics = noise_metrics(wrong, losses, suspicion)
    assert metrics["wrong_share"] == pytest.approx(wrong.sum().item() / 60)
    assert metrics["auroc_loss"] == pytest.approx(chance(wrong, losses))
    assert metrics["auroc"] == pytest.approx(chance(wrong, suspicion))
    assert "auroc" not in noise_metrics(wrong, losses, None)
