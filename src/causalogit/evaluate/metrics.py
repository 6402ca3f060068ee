"""Accuracies with full names, so that no two meanings of "average" are mixed up."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.data import Split
from causalogit.modes import eval_mode

Metrics = dict[str, float]

MOST_GROUPS = 100
"""Up to here every group has its own accuracy among the metrics."""


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
    """Accuracies (shares, 0 to 1), precision, calibration and loss of one split.

    Args:
        logits: `(N, C)`.
        labels: `(N,)`.
        groups: `(N,)`, label * attributes + attribute.
        train_group_counts: training images of each group, `(G,)`; G is a multiple of C.

    Returns:
        `accuracy/mean` (over images), `accuracy/class_mean` (every class alike),
        `accuracy/train_weighted` (groups weighted as in training, if any of them is there),
        `accuracy/group_mean` (every
        group alike), `accuracy/worst_group`, `accuracy/worst_class`, `precision/mean` (see
        `mean_precision`), `calibration/ece` (see `calibration_error`) and `loss/mean`
        (cross-entropy, nats). Where such classes have images here, also `accuracy/many`,
        `accuracy/medium` and `accuracy/few`: means over classes with more than 100, with 20 to
        100, and with fewer than 20 training images (ImageNet-LT, Liu et al. 2019,
        arXiv 1904.05160). Up to 100 groups, `accuracy/group/G` for each with images.
    """
    answers = logits.argmax(1)
    correct = (answers == labels).double()
    by_group = _means(correct, groups, len(train_group_counts))
    by_class = _means(correct, labels, logits.shape[1])
    present = ~by_group.isnan()
    shares = train_group_counts[present].double()
    class_counts = train_group_counts.reshape(logits.shape[1], -1).sum(1)
    return {
        "accuracy/mean": correct.mean().item(),
        "accuracy/class_mean": by_class.nanmean().item(),
        **_train_weighted(by_group[present], shares),
        "accuracy/group_mean": by_group[present].mean().item(),
        "accuracy/worst_group": by_group[present].min().item(),
        "accuracy/worst_class": by_class[~by_class.isnan()].min().item(),
        **_by_size(by_class, class_counts),
        "precision/mean": mean_precision(answers, labels, logits.shape[1]),
        "calibration/ece": calibration_error(logits, labels),
        "loss/mean": F.cross_entropy(logits, labels).item(),
        **_by_group(by_group),
    }


def mean_precision(answers: Tensor, labels: Tensor, num_classes: int) -> float:
    """Mean over classes of the share of right answers among a class's answers.

    As the benchmark of generalized long tail computes it (Tang et al. 2022, arXiv 2207.09504,
    `calculate_precision`): over the classes that occur in `labels`; one that is never answered
    counts as 0.

    Args:
        answers: `(N,)`.
        labels: `(N,)`.
        num_classes: C.
    """
    precision = _means((answers == labels).double(), answers, num_classes).nan_to_num(0.0)
    return precision[labels.unique()].mean().item()


def calibration_error(logits: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017, arXiv 1706.04599), in [0, 1].

    Mean distance of confidence and accuracy over equally wide bins of the confidence, weighted by
    their images.

    Args:
        logits: `(N, C)`.
        labels: `(N,)`.
        bins: how many.
    """
    from torchmetrics.functional.classification import multiclass_calibration_error

    # torchmetrics would open one more bin for confidences of exactly 1, which float32 rounds to
    sure = 1 - torch.finfo(torch.float32).eps
    probabilities = logits.softmax(1).clamp_max(sure)
    return multiclass_calibration_error(
        probabilities, labels, logits.shape[1], n_bins=bins, norm="l1"
    ).item()


def _train_weighted(by_group: Tensor, shares: Tensor) -> Metrics:
    """Nothing where training has images of other groups alone."""
    total = shares.sum()
    weighted = {"accuracy/train_weighted": ((by_group * shares).sum() / total).item()}
    return weighted if total > 0 else {}


def _by_size(by_class: Tensor, class_counts: Tensor) -> Metrics:
    """Means over classes with many, a medium number of and few training images."""
    sizes = {
        "many": class_counts > 100,
        "medium": (class_counts >= 20) & (class_counts <= 100),
        "few": class_counts < 20,
    }
    some = {name: by_class[own & ~by_class.isnan()] for name, own in sizes.items()}
    return {f"accuracy/{name}": own.mean().item() for name, own in some.items() if len(own)}


def _by_group(by_group: Tensor) -> Metrics:
    """The accuracy of every group with images; nothing where there are too many to read."""
    if len(by_group) > MOST_GROUPS:
        return {}
    present = (~by_group.isnan()).nonzero().squeeze(1).tolist()
    return {f"accuracy/group/{group}": by_group[group].item() for group in present}


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
