"""Co-teaching: two networks choose for each other which labels to trust."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from causalogit.data import Batch
from causalogit.methods.base import Budget, Method, Metrics, Task, method
from causalogit.methods.second import optimizer_like, second_network

_RAMP_EPOCHS = 10


def small_losses(losses: Tensor, forgotten: float) -> Tensor:
    """Places of the smallest losses `(B,)`, at least one, when a share is forgotten."""
    kept = max(1, int((1 - forgotten) * len(losses)))
    return losses.argsort(stable=True)[:kept]


@method
class CoTeaching(Method):
    """Two networks, each of which learns from the images that the other finds easiest.

    Han et al. 2018, arXiv 1804.06872, against wrong labels. The share of a batch that is left out
    grows from 0 in the first epoch to all in the tenth, or the last if that is before. The second
    network has initial weights of its own and the classifier's optimizer and rates; only the first
    is validated and tested.
    """

    name = "co_teaching"
    title = "Co-teaching"
    budget: ClassVar[Budget] = "A"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.network = second_network(task)
        self.optimizer = optimizer_like(task.optimizer, task.model, self.network)
        self.epoch = 0

    @property
    def forgotten(self) -> float:
        """The share of a batch that is left out in this epoch."""
        rate = self.task.config.controls.co_teaching_forget_rate
        ramp = min(_RAMP_EPOCHS, self.task.config.optimizer.epochs)
        return rate * min(self.epoch / max(ramp - 1, 1), 1.0)

    def step(self, batch: Batch) -> Metrics:
        """One step of both networks, each on the other's choice."""
        for ours, theirs in zip(
            self.task.optimizer.param_groups, self.optimizer.param_groups, strict=True
        ):
            theirs["lr"] = ours["lr"]
        first = F.cross_entropy(self.task.model(batch.images), batch.labels, reduction="none")
        second = F.cross_entropy(self.network(batch.images), batch.labels, reduction="none")
        first_choice = small_losses(first.detach(), self.forgotten)
        second_choice = small_losses(second.detach(), self.forgotten)
        second_loss = second[first_choice].mean()
        self.optimizer.zero_grad()
        second_loss.backward()
        self.optimizer.step()
        metrics = self.descend(first[second_choice].mean())
        return metrics | {"loss/second": second_loss.item()}

    def end_epoch(self) -> None:
        """Count the epochs."""
        self.epoch += 1

    def state_dict(self) -> dict[str, Any]:
        """The second network, its optimizer, the epochs so far."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
