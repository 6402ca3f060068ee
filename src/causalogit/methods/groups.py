"""Methods that know the groups of the training images: upper bars, not rivals."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.data import Batch
from causalogit.methods.base import Budget, Method, Metrics, PlainMethod, Task, method


@method
class GroupBalanced(PlainMethod):
    """ERM with every group drawn equally often."""

    name = "group_balanced"
    title = "Group-balanced sampling"
    budget: ClassVar[Budget] = "O"

    def sampling_weights(self) -> Tensor:
        """One over the size of each image's group."""
        counts = self.task.data.group_counts
        return 1 / counts[self.training_split().groups].double()


@method
class GroupDro(Method):
    """GroupDRO (Sagawa et al. 2020, arXiv 1911.08731): online weights on the groups' losses.

    Groups are drawn equally often, as in the authors' code; a group's weight grows with
    exp(step * loss) and the weighted sum of group losses is minimised. The paper asks for a strong
    weight decay besides (`optimizer.weight_decay`).
    """

    name = "group_dro"
    title = "GroupDRO"
    budget: ClassVar[Budget] = "O"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        groups = task.data.num_groups
        self.weights = torch.full((groups,), 1 / groups, device=task.device)

    def sampling_weights(self) -> Tensor:
        """One over the size of each image's group."""
        return 1 / self.task.data.group_counts[self.training_split().groups].double()

    def step(self, batch: Batch) -> Metrics:
        """Move the groups' weights, then descend on the weighted loss."""
        losses = F.cross_entropy(self.task.model(batch.images), batch.labels, reduction="none")
        zeros = torch.zeros_like(self.weights)
        counts = zeros.index_add(0, batch.groups, torch.ones_like(losses))
        means = zeros.index_add(0, batch.groups, losses) / counts.clamp_min(1)
        grown = self.weights * (self.task.config.controls.group_dro_step * means.detach()).exp()
        self.weights = grown / grown.sum()
        return self.descend((self.weights * means).sum())

    def state_dict(self) -> dict[str, Any]:
        """The groups' weights."""
        return {"weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.weights = state["weights"].to(self.task.device)
