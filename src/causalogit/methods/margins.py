"""Controls for unequal classes that ask a rare class for more margin."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.core import Classifier
from causalogit.data import Batch
from causalogit.methods.base import Budget, Method, Metrics, PlainMethod, Task, method
from causalogit.methods.reweighted import effective_number_weights

_LARGEST_MARGIN = 0.5
_SCALE = 30.0


@method
class LogitAdjustment(PlainMethod):
    """Cross-entropy after the log of each class's frequency was added to its logit.

    The logit-adjusted loss of Menon et al. 2021, arXiv 2007.07314; with tau = 1 also Balanced
    Softmax (Ren et al. 2020, arXiv 2007.10740). The classifier is tested on the logits as they are.
    """

    name = "logit_adjustment"
    title = "Logit adjustment"
    budget: ClassVar[Budget] = "A"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.shift = task.config.controls.logit_adjustment_tau * task.log_frequencies()

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of u + tau * log pi."""
        return F.cross_entropy(logits + self.shift, labels)


def ldam_margins(counts: Tensor) -> Tensor:
    """Margins `(C,)` proportional to n^(-1/4), the largest 0.5.

    Args:
        counts: training images n of each class, `(C,)`; an empty class counts as one image.
    """
    margins = counts.clamp_min(1).double() ** -0.25
    return (_LARGEST_MARGIN * margins / margins.max()).float()


@method
class LdamDrw(Method):
    """Larger margins for rare classes on a cosine classifier; class weights for the last epochs.

    LDAM-DRW (Cao et al. 2019, arXiv 1906.07413): cross-entropy of 30 times the cosines between
    features and class weights, the label's less a margin; from a share of the epochs on, with
    class weights by effective numbers and, as in the authors' code, over their sum in the batch.

    The model's own linear layer holds the cosine classifier: after every step its rows have length
    1 and its bias is 0, so that its logits are the cosines times the length of the features, one
    positive factor an image. Whoever evaluates the model, in training or later, gets the answers of
    the classifier that is trained; its probabilities, and so its validation loss, are not those of
    the training loss. The optimizer, in a step, sees the rows with the lengths that it left them
    with, as in the authors' code: a row turns more slowly the longer it has grown.

    Class weights come as a shock at a high learning rate: the authors lower it in the same epoch.

    Attributes:
        rows: the last layer's weights with their lengths, `(C, d)`.
    """

    name = "ldam_drw"
    title = "LDAM-DRW"
    budget: ClassVar[Budget] = "A"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        controls, counts = task.config.controls, task.data.class_counts
        self.classifier = Classifier(task.model, task.data.num_classes)
        self.rows = F.normalize(self.classifier.head.weight.detach())
        self.margins = ldam_margins(counts).to(task.device)
        beta = controls.effective_number_beta
        self.weights = effective_number_weights(counts, beta).to(task.device)
        self.first_weighted = round(controls.ldam_drw_start * task.config.optimizer.epochs)
        self.epoch = 0

    def step(self, batch: Batch) -> Metrics:
        """One step on the cosines; then the last layer's rows get length 1."""
        head = self.classifier.head
        with torch.no_grad():
            head.weight.copy_(self.rows)
        _, features = self.classifier(batch.images)
        weights = self.weights if self.epoch >= self.first_weighted else None
        loss = F.cross_entropy(self.logits(features, batch.labels), batch.labels, weights)
        metrics = self.descend(loss)
        with torch.no_grad():
            self.rows = head.weight.clone()
            head.weight.copy_(F.normalize(self.rows))
            if head.bias is not None:
                head.bias.zero_()
        return metrics

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """The training loss's logits `(B, C)` of features `(B, d)`, margins taken off."""
        # half precision would round 30 times a cosine to a tenth
        with torch.autocast(features.device.type, enabled=False):
            directions = F.normalize(self.classifier.head.weight)
            cosines = F.linear(F.normalize(features.float()), directions)
        own = F.one_hot(labels, len(self.margins))
        return _SCALE * (cosines - own * self.margins)

    def end_epoch(self) -> None:
        """Count the epochs."""
        self.epoch += 1

    def state_dict(self) -> dict[str, Any]:
        """The epochs so far, the rows with their lengths."""
        return {"epoch": self.epoch, "rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.epoch = state["epoch"]
        self.rows = state["rows"].to(self.task.device)
