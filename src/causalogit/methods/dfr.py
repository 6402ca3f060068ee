"""Deep feature reweighting: refit the last layer on the meta set."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from causalogit.core import Classifier
from causalogit.methods.base import Budget, PlainMethod, Task, method
from causalogit.methods.masked import factual

_COPIES = 10


@method
class Dfr(PlainMethod):
    """ERM; then a logistic regression from its features, on the meta set, becomes the last layer.

    Source: Kirichenko et al. 2023, arXiv 2204.02937. Features are standardised on the meta set;
    the strength of the L2 penalty is chosen by five-fold cross-validation inside the meta set.
    """

    name = "dfr"
    title = "DFR on the meta set"
    budget: ClassVar[Budget] = "A"

    def finish(self, model: nn.Module) -> None:
        """Refit the last layer of `model` in place."""
        images, labels = self.meta_images()
        classifier = Classifier(model, self.task.data.num_classes)
        model.eval()
        with torch.no_grad():
            _, features = classifier(images.to(self.task.device))
            weight, bias = _logistic_regression(
                features.double().cpu(), labels, self.task.config.seed
            )
            classifier.head.weight.copy_(weight)
            if classifier.head.bias is None:
                raise ValueError("DFR needs a last layer with a bias: set bias=True in nn.Linear")
            classifier.head.bias.copy_(bias)

    def meta_images(self) -> tuple[Tensor, Tensor]:
        """Images `(M, K, H, W)` and labels `(M,)` to fit on."""
        meta = self.task.data.meta
        return meta.images, meta.labels


@method
class DfrAugmented(Dfr):
    """DFR on the meta images and ten factual copies of each."""

    name = "dfr_augmented"
    title = "DFR on the augmented meta set"
    budget: ClassVar[Budget] = "B"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.factual = factual(task, task.config.clp.factual)

    def meta_images(self) -> tuple[Tensor, Tensor]:
        """Meta images, clean and on new backgrounds."""
        meta = self.task.data.meta
        if self.factual is None or meta.masks is None:
            return meta.images, meta.labels
        copies = [self.factual(meta.images, meta.masks, meta.labels) for _ in range(_COPIES)]
        return torch.cat([meta.images, *copies]), meta.labels.repeat(1 + _COPIES)


def _logistic_regression(features: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Weights `(C, d)` and bias `(C,)` for raw features `(M, d)`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from threadpoolctl import threadpool_limits

    mean, scale = features.mean(0), features.std(0).clamp_min(1e-6)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    search = GridSearchCV(
        LogisticRegression(max_iter=2000), {"C": [1e-3, 1e-2, 1e-1, 1.0, 10.0]}, cv=folds
    )
    with threadpool_limits(1):  # tiny matrices: more threads only wait for each other
        search.fit(((features - mean) / scale).numpy(), labels.numpy())
    fitted = search.best_estimator_
    weight = torch.from_numpy(fitted.coef_) / scale
    bias = torch.from_numpy(fitted.intercept_) - weight @ mean
    return weight, bias
