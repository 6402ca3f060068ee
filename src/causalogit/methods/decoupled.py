"""Controls for unequal classes that change the last layer once ERM is done."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR

from causalogit.core import Classifier
from causalogit.data import Split, epoch_batches
from causalogit.methods.base import Budget, PlainMethod, method
from causalogit.methods.second import optimizer_like
from causalogit.models import seeded
from causalogit.modes import eval_mode

_TAUS = tuple(step / 10 for step in range(21))


@torch.no_grad()
def features_of(
    classifier: Classifier, split: Split, device: torch.device, batch_size: int = 512
) -> Tensor:
    """Penultimate features `(N, d)` of a whole split on `device`, in eval mode."""
    with eval_mode(classifier.model):
        parts = [
            classifier(split.batch(indices).to(device).images)[1].float()
            for indices in torch.arange(len(split)).split(batch_size)
        ]
    return torch.cat(parts)


def best_tau(features: Tensor, weight: Tensor, labels: Tensor) -> float:
    """The exponent with the highest mean accuracy over the classes, the smallest of equals.

    Args:
        features: `(M, d)`.
        weight: of the last layer, `(C, d)`.
        labels: `(M,)`.

    Returns:
        One of 0, 0.1, ... 2.
    """
    scores = []
    for tau in _TAUS:
        correct = ((features @ tau_normalised(weight, tau).T).argmax(1) == labels).double()
        classes = [correct[labels == label].mean() for label in labels.unique()]
        scores.append(torch.stack(classes).mean().item())
    return _TAUS[scores.index(max(scores))]


def tau_normalised(weight: Tensor, tau: float) -> Tensor:
    """Rows of `weight` `(C, d)`, each over its length to the power of `tau`."""
    lengths = weight.norm(dim=1, keepdim=True)
    normalised: Tensor = weight / lengths.clamp_min(torch.finfo(weight.dtype).eps) ** tau
    return normalised


@method
class TauNorm(PlainMethod):
    """ERM; then the weights of each class in the last layer are brought nearer to one length.

    The tau-normalised classifier of Kang et al. 2020, arXiv 1910.09217: each row is divided by its
    length to the power of tau, and the bias is set to 0. Tau is chosen on the meta set by mean
    accuracy over the classes, from 0, 0.1, ... 2 as in the authors' code.
    """

    name = "tau_norm"
    title = "Tau-normalised classifier"
    budget: ClassVar[Budget] = "A"

    def finish(self, model: nn.Module) -> None:
        """Normalise the last layer of `model` in place."""
        task = self.task
        classifier = Classifier(model, task.data.num_classes)
        features = features_of(classifier, task.data.meta, task.device)
        head = classifier.head
        with torch.no_grad():
            tau = best_tau(features, head.weight, task.data.meta.labels.to(task.device))
            head.weight.copy_(tau_normalised(head.weight, tau))
            if head.bias is not None:
                head.bias.zero_()


@method
class Crt(PlainMethod):
    """ERM; then a new last layer is trained on its features, with all classes drawn equally often.

    Classifier re-training (cRT) of Kang et al. 2020, arXiv 1910.09217. The features are those of
    the training images in eval mode, cropped and flipped anew each time as in training; the
    optimizer is the classifier's, its rate on one cosine to 0. The new layer and all draws depend
    on the config's seed alone.
    """

    name = "crt"
    title = "Classifier re-training (cRT)"
    budget: ClassVar[Budget] = "A"

    def finish(self, model: nn.Module) -> None:
        """Retrain the last layer of `model` in place."""
        classifier = Classifier(model, self.task.data.num_classes)
        with eval_mode(model):
            head = self._trained_head(classifier)
        classifier.head.load_state_dict(head.state_dict())

    def _trained_head(self, classifier: Classifier) -> nn.Linear:
        task, config = self.task, self.task.config
        train, old = task.data.train, classifier.head
        weights = 1 / task.data.class_counts[train.labels].double()
        with seeded(config.seed):
            head = nn.Linear(old.in_features, old.out_features, bias=old.bias is not None)
        head.to(task.device)
        trained = Classifier(task.model, task.data.num_classes).head
        optimizer = optimizer_like(task.optimizer, trained, head)
        size, seed = config.optimizer.batch_size, config.seed + 1_000_000
        epochs = config.controls.crt_epochs
        schedule = CosineAnnealingLR(optimizer, epochs)
        for epoch in range(epochs):
            for batch in epoch_batches(train, size, seed, epoch, weights=weights):
                own = batch.to(task.device)
                with torch.no_grad():
                    features = classifier(own.images)[1].float()
                optimizer.zero_grad()
                F.cross_entropy(head(features), own.labels).backward()
                optimizer.step()
            schedule.step()
        return head
