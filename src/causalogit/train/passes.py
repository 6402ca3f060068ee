"""One pass over all training images after the last epoch, without learning."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.data import Batch, Split
from causalogit.evaluate.metrics import Metrics, predict
from causalogit.evaluate.noise import noise_metrics
from causalogit.methods import Method
from causalogit.train.checkpoint import load_checkpoint

_SIZE = 500


def over_mixed_batches(
    measure: Callable[[Batch], tuple[Tensor, ...]], split: Split, device: torch.device
) -> list[Tensor]:
    """What `measure` gives for every sample, in the split's order, on the CPU.

    The batches are mixed like those of training: a measure may look at its whole batch, and splits
    may be sorted by class.
    """
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))
    parts = [measure(split.batch(indices).to(device)) for indices in order.split(_SIZE)]
    back = order.argsort()
    return [torch.cat(values).cpu()[back] for values in zip(*parts, strict=True)]


def measure_noise(method: Method, classifier: Path) -> Metrics | None:
    """How a method and the loss of its trained classifier tell wrong training labels from right.

    Args:
        method: after the last epoch.
        classifier: checkpoint of its tested weights.

    Returns:
        As `noise_metrics` has it; None where no training label is wrong, or all are.
    """
    train, device = method.task.data.train, method.task.device
    wrong = train.wrong
    if wrong.all() or not wrong.any():
        return None
    model = copy.deepcopy(method.task.model)
    model.load_state_dict(load_checkpoint(classifier)["model"])
    losses = F.cross_entropy(predict(model, train, device), train.labels, reduction="none")

    def suspect(batch: Batch) -> tuple[Tensor, ...]:
        suspicion = method.suspicion(batch)
        return () if suspicion is None else (suspicion,)

    suspicion = over_mixed_batches(suspect, train, device)
    return noise_metrics(wrong, losses, suspicion[0] if suspicion else None)
