"""ERM on training images whose backgrounds are replaced: the strongest control with masks."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from causalogit.data import Batch, Split
from causalogit.methods.base import Budget, PlainMethod, Task, method
from causalogit.methods.erm import ErmMetaAugmented
from causalogit.methods.masked import factual


@method
class ErmFactual(PlainMethod):
    """ERM; every training image gets a fresh background each time it is seen."""

    name = "erm_factual"
    title = "ERM, factual augmentation"
    budget: ClassVar[Budget] = "C"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.factual = factual(task, task.config.controls.train_fill)

    def images(self, batch: Batch) -> Tensor:
        """The batch on new backgrounds."""
        if self.factual is None or batch.masks is None:
            return batch.images
        return self.factual(batch.images, batch.masks, batch.labels)


@method
class ErmFactualMeta(ErmFactual):
    """The same with the meta images added, augmented alike."""

    name = "erm_factual_meta"
    title = "ERM, factual augmentation + meta images"
    budget: ClassVar[Budget] = "C"

    def training_split(self) -> Split:
        """Training and meta images."""
        return self.task.data.train.joined(self.task.data.meta)


@method
class ErmFactualMetaAugmented(ErmFactual, ErmMetaAugmented):
    """The same with CLP's meta loss as a second term: what our recipe is without a perturbation."""

    name = "erm_factual_meta_augmented"
    title = "ERM, factual augmentation + augmented meta images"
    budget: ClassVar[Budget] = "C"
