"""Product of experts: a fixed amount of the spurious expert's opinion, in training only."""

from __future__ import annotations

from typing import Any, ClassVar

from torch.nn import functional as F

from causalogit.core import Pace
from causalogit.data import Batch
from causalogit.methods.base import Budget, Method, Metrics, Task, method
from causalogit.methods.spurious import background_expert


@method
class ProductOfExperts(Method):
    """Cross-entropy of u + alpha * log b(. | CF(x)) with a fixed alpha (Clark et al. 2019).

    The expert is CLP's own, and so is the pace, which is off by default; what is missing is the
    learned strength.
    """

    name = "product_of_experts"
    title = "Product of experts, fixed"
    budget: ClassVar[Budget] = "C"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.expert = background_expert(task)
        self.pace = Pace(task.config.controls.product_pace)

    def step(self, batch: Batch) -> Metrics:
        """One step on the product."""
        alpha = self.task.config.controls.product_alpha
        delta = alpha * self.expert.log_probabilities(batch)
        logits = self.task.model(batch.images)
        pace = self.pace.after(delta, batch.labels)
        return self.descend(pace * F.cross_entropy(logits + delta, batch.labels))

    def state_dict(self) -> dict[str, Any]:
        """The expert, and the pace's memory."""
        return self.expert.state_dict() | {"pace": self.pace.left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.expert.load_state_dict(state)
        self.pace.left = state.get("pace")  # not in checkpoints from before it could be on
