"""Controls for unequal classes that weigh images by the size of their class."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.methods.base import Budget, PlainMethod, Task, method


def effective_number_weights(counts: Tensor, beta: float) -> Tensor:
    """Class weights `(C,)` proportional to (1 - beta) / (1 - beta^n), which sum to C.

    A class that no training image is labelled with counts as one of a single image.

    Args:
        counts: training images n of each class, `(C,)`.
        beta: from 0 (equal weights), below 1.
    """
    sizes = counts.clamp_min(1).double()
    weights = (1 - beta) / (1 - beta**sizes)
    return (weights * len(weights) / weights.sum()).float()


def focal_losses(logits: Tensor, labels: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma * (-log p) of each image, `(B,)`, where p is its label's probability."""
    losses = F.cross_entropy(logits, labels, reduction="none")
    # 1 - p; above 0, where a power below 1 has a gradient
    doubt = (-torch.expm1(-losses)).clamp_min(torch.finfo(losses.dtype).tiny)
    return doubt**gamma * losses


@method
class ClassBalancedSampling(PlainMethod):
    """ERM with every class drawn equally often."""

    name = "class_balanced_sampling"
    title = "Class-balanced sampling"
    budget: ClassVar[Budget] = "A"

    def sampling_weights(self) -> Tensor:
        """One over the size of each image's class."""
        return 1 / self.task.data.class_counts[self.training_split().labels].double()


@method
class ClassBalanced(PlainMethod):
    """Cross-entropy in which the images of rare classes weigh more.

    Weights by the effective number of images (Cui et al. 2019, arXiv 1901.05555), summing to C
    over the classes. The batch's weighted losses are divided by the sum of their weights, as in the
    code of LDAM (arXiv 1906.07413), and not by their number, as in that of Cui et al.: there, the
    more unequal the classes, the smaller a step.
    """

    name = "class_balanced"
    title = "Class-balanced cross-entropy"
    budget: ClassVar[Budget] = "A"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        beta = task.config.controls.effective_number_beta
        self.weights = effective_number_weights(task.data.class_counts, beta).to(task.device)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Weighted cross-entropy."""
        return F.cross_entropy(logits, labels, self.weights)


@method
class Focal(PlainMethod):
    """Focal loss: images that the classifier is already sure of count less.

    Lin et al. 2017, arXiv 1708.02002, on the softmax as in the code of LDAM (arXiv 1906.07413),
    whose gamma of 1 is the default.
    """

    name = "focal"
    title = "Focal loss"
    budget: ClassVar[Budget] = "A"

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean focal loss."""
        return focal_losses(logits, labels, self.task.config.controls.focal_gamma).mean()


@method
class ClassBalancedFocal(ClassBalanced):
    """Focal loss in which the images of rare classes weigh more (Cui et al. 2019)."""

    name = "class_balanced_focal"
    title = "Class-balanced focal loss"
    budget: ClassVar[Budget] = "A"

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Weighted focal loss."""
        losses = focal_losses(logits, labels, self.task.config.controls.focal_gamma)
        weights = self.weights[labels]
        return (weights * losses).sum() / weights.sum()
