"""Fixed perturbations by what is spurious in an image, in training only."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from causalogit.core import Pace
from causalogit.data import Batch
from causalogit.methods.base import Budget, Method, Metrics, Task, method
from causalogit.methods.spurious import background_expert


class FixedPerturbation(Method):
    """Cross-entropy of u + delta with a delta that nothing learns.

    The pace is that of CLP's recipe, and off by default.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.pace = Pace(task.config.controls.pace)

    @abstractmethod
    def delta(self, batch: Batch) -> Tensor:
        """What is added to the logits of a training batch, `(B, C)`."""

    def step(self, batch: Batch) -> Metrics:
        """One step on the perturbed logits."""
        delta = self.delta(batch)
        logits = self.task.model(batch.images)
        pace = self.pace.after(delta, batch.labels)
        return self.descend(pace * F.cross_entropy(logits + delta, batch.labels))

    def state_dict(self) -> dict[str, Any]:
        """The pace's memory."""
        return {"pace": self.pace.left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.pace.left = state.get("pace")  # not in checkpoints from before it could be on


@method
class ProductOfExperts(FixedPerturbation):
    """Cross-entropy of u + alpha * log b(. | CF(x)) with a fixed alpha (Clark et al. 2019).

    The expert is CLP's own; what is missing is the learned strength.
    """

    name = "product_of_experts"
    title = "Product of experts, fixed"
    budget: ClassVar[Budget] = "C"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.expert = background_expert(task)

    def delta(self, batch: Batch) -> Tensor:
        """Alpha times what the expert says."""
        return self.task.config.controls.product_alpha * self.expert.log_probabilities(batch)

    def state_dict(self) -> dict[str, Any]:
        """The expert, and the pace's memory."""
        return self.expert.state_dict() | super().state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.expert.load_state_dict(state)
        super().load_state_dict(state)


@method
class LogitCorrection(FixedPerturbation):
    """Cross-entropy of u + log P(y | attribute), counted in the training set.

    Logit correction (Liu et al. 2023, arXiv 2212.01433) as its authors hold it against oracles:
    by true attributes, in place of those that a second network guesses. It is logit adjustment
    within each attribute; one image more of every class keeps empty groups finite.
    """

    name = "logit_correction"
    title = "Logit correction, true attributes"
    budget: ClassVar[Budget] = "O"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        counts = task.data.group_counts.view(task.data.num_classes, -1).T + 1.0
        self.log_shares = (counts / counts.sum(1, keepdim=True)).log().to(task.device)

    def delta(self, batch: Batch) -> Tensor:
        """Log of the classes' shares among the training images of the same attribute."""
        return self.log_shares[batch.groups % len(self.log_shares)]
