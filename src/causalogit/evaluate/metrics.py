"""Accuracies with full names, so that no two meanings of "average" are mixed up."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.data import Split

Metrics = dict[str, float]


@torch.no_grad()
def predict(model: nn.Module, split: Split, device: torch.device, batch_size: int = 512) -> Tensor:
    """Logits `(N, C)` of a whole split on the CPU; the model is in eval mode for the pass only."""
    was_training = model.training
    model.eval()
    try:
        parts = [
            model(split.batch(index).to(device).images).float().cpu()
            for index in torch.arange(len(split)).split(batch_size)
        ]
    finally:
        model.train(was_training)
    return torch.cat(parts)


def classification_metrics(
    logits: Tensor, labels: Tensor, groups: Tensor, train_group_counts: Tensor
) -> Metrics:
    """Accuracies (shares, 0 to 1) and loss of one split.

    Args:
        logits: `(N, C)`.
        labels: `(N,)`.
        groups: `(N,)`, below G.
        train_group_counts: training images of each group, `(G,)`.

    Returns:
        `accuracy/mean` (over images), `accuracy/train_weighted` (groups weighted as in training),
        `accuracy/group_mean` (every group alike), `accuracy/worst_group`, `accuracy/worst_class`,
        `accuracy/group/G` for each group with images, and `loss/mean` (cross-entropy, nats).
    """
    correct = (logits.argmax(1) == labels).double()
    by_group = _means(correct, groups, len(train_group_counts))
    by_class = _means(correct, labels, logits.shape[1])
    present = ~by_group.isnan()
    shares = train_group_counts[present].double()
    return {
        "accuracy/mean": correct.mean().item(),
        "accuracy/train_weighted": ((by_group[present] * shares).sum() / shares.sum()).item(),
        "accuracy/group_mean": by_group[present].mean().item(),
        "accuracy/worst_group": by_group[present].min().item(),
        "accuracy/worst_class": by_class[~by_class.isnan()].min().item(),
        "loss/mean": F.cross_entropy(logits, labels).item(),
        **{
            f"accuracy/group/{group}": by_group[group].item()
            for group in present.nonzero().squeeze(1).tolist()
        },
    }


def _means(values: Tensor, keys: Tensor, count: int) -> Tensor:
    totals = torch.zeros(count, dtype=values.dtype).index_add(0, keys, values)
    return totals / torch.bincount(keys, minlength=count)


def test_metrics(metrics: Metrics) -> Metrics:
    """The metrics of the test split under their published names (`accuracy/test_mean`)."""
    return {name.replace("/mean", "/test_mean"): value for name, value in metrics.items()}
