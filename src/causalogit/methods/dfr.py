"""Deep feature reweighting: refit the last layer on the meta set."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from causalogit.core import Classifier
from causalogit.methods.base import Budget, PlainMethod, Task, method
from causalogit.methods.masked import factual

_COPIES = 10
_NEVER = -1e4  # the logit of a class that the meta set has no image of


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
        photos = torch.arange(len(labels)) % len(self.task.data.meta)
        classifier = Classifier(model, self.task.data.num_classes)
        model.eval()
        with torch.no_grad():
            _, features = classifier(images.to(self.task.device))
            head, classes = classifier.head, labels.unique()
            if head.bias is None:
                raise ValueError("DFR needs a last layer with a bias: set bias=True in nn.Linear")
            weight, bias = _logistic_regression(features.double().cpu(), labels, photos)
            head.weight.zero_()
            head.bias.fill_(_NEVER)
            head.weight[classes] = weight.to(head.weight)
            head.bias[classes] = bias.to(head.bias)

    def meta_images(self) -> tuple[Tensor, Tensor]:
        """Images `(M, K, H, W)` and labels `(M,)`: the meta set, once or several times over."""
        meta = self.task.data.meta.everything()
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
        meta = self.task.data.meta.everything()
        if self.factual is None or meta.masks is None:
            return meta.images, meta.labels
        copies = [self.factual(meta.images, meta.masks, meta.labels) for _ in range(_COPIES)]
        return torch.cat([meta.images, *copies]), meta.labels.repeat(1 + _COPIES)


def _logistic_regression(features: Tensor, labels: Tensor, photos: Tensor) -> tuple[Tensor, Tensor]:
    """Weights `(K, d)` and bias `(K,)` of the K classes among `labels`, for raw features `(M, d)`.

    Copies of one photo, those with the same number in `photos` `(M,)`, share a fold. Where a class
    has a single photo there is nothing to validate on, and C is 1.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
    from threadpoolctl import threadpool_limits

    mean, scale = features.mean(0), features.std(0).clamp_min(1e-6)
    normal = ((features - mean) / scale).numpy()
    smallest = min(len(photos[labels == label].unique()) for label in labels.unique())
    fitted = LogisticRegression(max_iter=2000)
    with threadpool_limits(1):  # tiny matrices: more threads only wait for each other
        if smallest > 1:
            folds = StratifiedGroupKFold(min(5, smallest))
            search = GridSearchCV(fitted, {"C": [1e-3, 1e-2, 1e-1, 1.0, 10.0]}, cv=folds)
            fitted = search.fit(normal, labels.numpy(), groups=photos.numpy()).best_estimator_
        else:
            fitted.fit(normal, labels.numpy())
    weight, bias = torch.from_numpy(fitted.coef_), torch.from_numpy(fitted.intercept_)
    if len(weight) == 1:  # of two classes, scikit-learn gives the second one's lead
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    weight = weight / scale
    return weight, bias - weight @ mean
