"""Deep feature reweighting: refit the last layer on the meta set."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from causalogit.methods.base import Budget, PlainMethod, Task, method
from causalogit.methods.masked import factual
from causalogit.methods.refit import refit_last_layer


@method
class Dfr(PlainMethod):
    """ERM; then a logistic regression from its features, on the meta set, becomes the last layer.

    Source: Kirichenko et al. 2023, arXiv 2204.02937. Features are standardised on the meta set;
    the strength of the L2 penalty is chosen by the mean accuracy in five-fold cross-validation
    inside the meta set. (The authors take L1, and the worst group of half of the set.)
    """

    name = "dfr"
    title = "DFR on the meta set"
    budget: ClassVar[Budget] = "A"

    def finish(self, model: nn.Module) -> None:
        """Refit the last layer of `model` in place."""
        refit_last_layer(self.task, model, None)


@method
class DfrAugmented(Dfr):
    """DFR on the meta images and ten factual copies of each."""

    name = "dfr_augmented"
    title = "DFR on the augmented meta set"
    budget: ClassVar[Budget] = "B"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.factual = factual(task, task.config.clp.factual)

    def finish(self, model: nn.Module) -> None:
        """Refit the last layer of `model` in place."""
        refit_last_layer(self.task, model, self.factual)
