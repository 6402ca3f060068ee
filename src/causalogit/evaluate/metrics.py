"""Accuracies with full names, so that no two meanings of "average" are mixed up."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.data import Split
from causalogit.evaluate.modes import eval_mode

Metrics = dict[str, float]


@torch.no_grad()
def predict(model: nn.Module, split: Split, device: torch.device, batch_size: int = 512) -> Tensor:
    """Logits `(N, C)` of a whole split on the CPU; the model is in eval mode for the pass only."""
    with eval_mode(model):
        parts = [
            model(split.batch(indices).to(device).images).float().cpu()
            for indices in torch.arange(len(split)).split(batch_size)
        ]
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


class RunningMeans:
    """Means of named values over the steps of an epoch; a step need not have them all."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, float] = {}

    def add(self, values: Metrics) -> None:
        """Take in one step."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> Metrics:
        """The means by name; begins anew."""
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        self._sums.clear()
        self._counts.clear()
        return means

    def state_dict(self) -> dict[str, dict[str, float]]:
        """Sums and counts, for a checkpoint in the middle of an epoch."""
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: dict[str, dict[str, float]]) -> None:
        """The inverse of `state_dict`."""
        self._sums.update(state["sums"])
        self._counts.update(state["counts"])
