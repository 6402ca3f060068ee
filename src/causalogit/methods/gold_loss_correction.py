"""Gold loss correction: clean images say which label is written where another is right."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.data import Batch
from causalogit.evaluate.metrics import predict
from causalogit.methods.base import Budget, Task, method
from causalogit.methods.erm import ErmMeta
from causalogit.methods.second import first_network


@method
class GoldLossCorrection(ErmMeta):
    """ERM on training and meta images; training labels count as what may be written in their place.

    Hendrycks et al. 2018, arXiv 1802.05300 (GLC). A first network of the classifier's kind, with
    initial weights of its own and the classifier's optimizer on one cosine, learns the training
    labels as they are, for as many epochs. Its mean probabilities on the meta images of each class
    are the matrix of what is written for it, by which the classifier's probabilities are
    multiplied on training images before they are held against the label; on meta images they are
    held against it as they are.

    Attributes:
        written: chance of each label (column) for each class (row), `(C, C)`; None until it is
            needed.
    """

    name = "gold_loss_correction"
    title = "Gold loss correction"
    budget: ClassVar[Budget] = "A"
    parallel = False  # which images of a batch are clean is told by places, which are not gathered

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.written: Tensor | None = None

    def training_loss(self, batch: Batch) -> Tensor:
        """Corrected on training images, plain on meta images."""
        if self.written is None:
            with torch.autocast(self.task.device.type, enabled=False):
                self.written = written_labels(self.task).to(self.task.device)
        logits = self.task.model(batch.images)
        clean = batch.indices >= len(self.task.data.train)
        losses = torch.where(
            clean,
            F.cross_entropy(logits, batch.labels, reduction="none"),
            corrected_losses(logits, batch.labels, self.written),
        )
        return losses.mean()

    def state_dict(self) -> dict[str, Any]:
        """The matrix."""
        return {"written": self.written}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        written = state["written"]
        self.written = None if written is None else written.to(self.task.device)


def corrected_losses(logits: Tensor, labels: Tensor, written: Tensor) -> Tensor:
    """`-log sum_k softmax(u)_k written[k, y]` of logits u `(B, C)` and labels y `(B,)`, `(B,)`.

    The forward correction (Patrini et al. 2017, arXiv 1609.03683).
    """
    chances = written.clamp_min(torch.finfo(written.dtype).tiny).log()
    return -torch.logsumexp(logits.float().log_softmax(1) + chances.T[labels], dim=1)


def written_labels(task: Task) -> Tensor:
    """Mean probabilities of the first network on the meta images of each class, `(C, C)`.

    A class without meta images has a row that says its labels are right.
    """
    network = first_network(task, task.config.optimizer.epochs, to_zero=True)
    meta, classes = task.data.meta, task.data.num_classes
    said = predict(network, meta, task.device).softmax(1)
    own = F.one_hot(meta.labels, classes).to(said)
    counts = own.sum(0)[:, None]
    return torch.where(counts > 0, own.T @ said / counts.clamp_min(1), torch.eye(classes))
