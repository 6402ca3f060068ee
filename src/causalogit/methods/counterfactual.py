"""ERM that also learns what training images without their object do not show."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from causalogit.core import counterfactual_loss, processes
from causalogit.core.losses import precise
from causalogit.data import Batch
from causalogit.methods.base import Budget, Task, method
from causalogit.methods.erm import Erm
from causalogit.methods.factual import ErmFactual
from causalogit.methods.masked import with_known_background, without_object


@method
class ErmCounterfactual(Erm):
    """ERM; training images without their object are learned to be anything but their class.

    The loss on these is l_CF, and they are those that CLP's spurious expert learns from. Source:
    Chang et al., CVPR 2021 (arXiv 2106.01127).
    """

    name = "erm_counterfactual"
    title = "ERM, counterfactual augmentation"
    budget: ClassVar[Budget] = "C"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.without_object = without_object(task)

    def training_loss(self, batch: Batch) -> Tensor:
        """That of the images, plus l_CF."""
        return super().training_loss(batch) + self._counterfactual_loss(batch)

    def _counterfactual_loss(self, batch: Batch) -> Tensor:
        """Of the whole batch; running statistics are those of images with objects alone."""
        classifier, images = self.task.classifier, self.without_object(batch)
        logits = classifier.probe(classifier.parameters(), images, in_pieces=True)
        known = processes.gathered(with_known_background(batch).int()).bool()
        logits = processes.gathered(precise(logits))[known]
        labels = processes.gathered(batch.labels)[known]
        if len(labels) == 0:
            return logits.sum()
        return counterfactual_loss(logits, labels) * len(labels) / len(known)


@method
class ErmFactualCounterfactual(ErmCounterfactual, ErmFactual):
    """The same while every training image gets a new background each time it is seen."""

    name = "erm_factual_counterfactual"
    title = "ERM, factual and counterfactual augmentation"
    budget: ClassVar[Budget] = "C"
