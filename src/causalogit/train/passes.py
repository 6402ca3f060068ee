"""One pass over all training images after the last epoch, without learning."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.data import Batch, Split
from causalogit.evaluate.metrics import Metrics
from causalogit.evaluate.noise import noise_metrics
from causalogit.methods import Method
from causalogit.methods.spurious import answers_of
from causalogit.train.checkpoint import load_checkpoint

_SIZE = 500
MOST = 50_000
"""Images of which a run keeps what the perturbation network says: C numbers each."""


def kept_places(size: int, most: int = MOST) -> Tensor:
    """Places of the images that stand for all `size` of a split: all, or some drawn at random."""
    if size <= most:
        return torch.arange(size)
    return torch.randperm(size, generator=torch.Generator().manual_seed(0))[:most].sort().values


def over_mixed_batches(
    measure: Callable[[Batch], tuple[Tensor, ...]],
    split: Split,
    device: torch.device,
    places: Tensor | None = None,
) -> list[Tensor]:
    """What `measure` gives for the samples at `places`, or for all, in their order, on the CPU.

    The batches are mixed like those of training: a measure may look at its whole batch, and splits
    may be sorted by class.
    """
    places = torch.arange(len(split)) if places is None else places
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(0))
    parts = [measure(split.batch(some).to(device)) for some in places[order].split(_SIZE)]
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

    def losses_and_suspicion(batch: Batch) -> tuple[Tensor, ...]:
        losses = F.nll_loss(answers_of(model, batch.images), batch.labels, reduction="none")
        suspicion = method.suspicion(batch)
        return (losses,) if suspicion is None else (losses, suspicion)

    return noise_metrics(wrong, *over_mixed_batches(losses_and_suspicion, train, device))
