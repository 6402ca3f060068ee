"""Mixup: images and labels in between two others."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.data import Batch
from causalogit.methods.base import Budget, Method, Metrics, method


def mixing_shares(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """Draws of Beta(alpha, alpha), `(count,)`.

    Through the inverse of its distribution function: torch's own Beta takes no generator.
    """
    from scipy.special import betaincinv

    uniform = torch.rand(count, dtype=torch.float64, generator=generator)
    return torch.from_numpy(betaincinv(alpha, alpha, uniform.numpy())).float()


def mixed_loss(model: nn.Module, first: Batch, second: Batch, shares: Tensor) -> Tensor:
    """Mean cross-entropy on mixed images against both labels, a scalar.

    Args:
        model: maps images to logits.
        first: B images and their labels.
        second: what each is mixed with.
        shares: of the first images and their labels, `(B,)`, or `(1,)` for one share for all.
    """
    of_images = shares[:, None, None, None]
    logits = model(of_images * first.images + (1 - of_images) * second.images)
    ours = F.cross_entropy(logits, first.labels, reduction="none")
    theirs = F.cross_entropy(logits, second.labels, reduction="none")
    return (shares * ours + (1 - shares) * theirs).mean()


@method
class Mixup(Method):
    """ERM on mixtures of two training images, whose labels are mixed in the same shares.

    Zhang et al. 2018, arXiv 1710.09412: every image is mixed with another of its batch, with one
    share a batch, drawn from Beta(alpha, alpha).
    """

    name = "mixup"
    title = "mixup"
    budget: ClassVar[Budget] = "A"

    def step(self, batch: Batch) -> Metrics:
        """One step on the mixed batch."""
        task = self.task
        alpha = task.config.controls.mixup_alpha
        share = mixing_shares(1.0 if alpha is None else alpha, 1, task.generator).to(task.device)
        order = torch.randperm(len(batch.labels), generator=task.generator).to(task.device)
        other = batch._replace(images=batch.images[order], labels=batch.labels[order])
        return self.descend(mixed_loss(task.model, batch, other, share))
