"""Empirical risk minimisation, and with the meta images added."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from causalogit.core import MetaBatch, processes
from causalogit.data import Batch, Split
from causalogit.methods.base import Budget, Metrics, PlainMethod, Task, method
from causalogit.methods.masked import meta_objective


@method
class Erm(PlainMethod):
    """Mean cross-entropy on the training images."""

    name = "erm"
    title = "ERM"
    budget: ClassVar[Budget] = "A"


@method
class ErmMeta(PlainMethod):
    """ERM on training and meta images together, every image once an epoch."""

    name = "erm_meta"
    title = "ERM + meta images"
    budget: ClassVar[Budget] = "A"

    def training_split(self) -> Split:
        """Training and meta images."""
        return self.task.data.train.joined(self.task.data.meta)


@method
class ErmMetaAugmented(PlainMethod):
    """ERM, plus CLP's own meta loss as a second term of every step.

    The control that sees exactly what CLP's perturbation network sees: the same meta batches, as
    often, with the same factual and counterfactual images and weights, but learns from them
    directly.
    """

    name = "erm_meta_augmented"
    title = "ERM + augmented meta images"
    budget: ClassVar[Budget] = "B"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.objective = meta_objective(task)
        self.meta = task.meta_batches()

    def step(self, batch: Batch) -> Metrics:
        """One step on cross-entropy plus meta loss."""
        meta = next(self.meta)
        terms = self.objective.images(MetaBatch(meta.images, meta.labels, meta.masks))
        loss = self.training_loss(batch)
        parts = self.objective.losses(self._logits, terms, meta.labels)
        meta_loss = torch.stack(list(parts.values())).sum()
        self.descend(loss + meta_loss / processes.count())
        return {"loss/train": (loss + processes.mean(meta_loss)).item()}

    def _logits(self, images: Tensor) -> Tensor:
        """As training images have theirs: batch norm sees the images of all processes."""
        return self.task.classifier(images)[0]
