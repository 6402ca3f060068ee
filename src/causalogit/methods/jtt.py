"""JTT: just train twice, the second time with more of what the first got wrong."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from causalogit.evaluate.metrics import predict
from causalogit.methods.base import Budget, PlainMethod, Task, method
from causalogit.methods.second import first_network


@method
class Jtt(PlainMethod):
    """ERM; training images that a first, short training got wrong are drawn more often.

    Just Train Twice (Liu et al. 2021, arXiv 2107.09044). The first network is of the classifier's
    kind, with initial weights of its own and the classifier's optimizer at its first rate. The
    authors repeat the wrong images in a longer epoch; here they are drawn as many times more often,
    so that an epoch is as long as every other method's.

    Attributes:
        errors: which training images the first network got wrong, `(N,)`; None until it is needed.
    """

    name = "jtt"
    title = "JTT"
    budget: ClassVar[Budget] = "A"
    parallel = False  # rounding may let the first network's errors differ

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.errors: Tensor | None = None

    def sampling_weights(self) -> Tensor:
        """`jtt_weight` where the first network was wrong, 1 elsewhere."""
        if self.errors is None:
            self.errors = first_errors(self.task)
        return 1 + (self.task.config.controls.jtt_weight - 1) * self.errors.double()

    def state_dict(self) -> dict[str, Any]:
        """The errors of the first network."""
        return {"errors": self.errors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.errors = state["errors"]


def first_errors(task: Task) -> Tensor:
    """Train a second network for `jtt_epochs`; which training images it gets wrong, `(N,)`."""
    network, train = first_network(task, task.config.controls.jtt_epochs), task.data.train
    return predict(network, train, task.device).argmax(1) != train.labels
