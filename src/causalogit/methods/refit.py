"""What is fitted anew on the meta set when training is over: running statistics, last layer."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from causalogit.core import Classifier, MaskedTransform
from causalogit.data import Batch
from causalogit.methods.base import Task

_COPIES = 10
_AT_ONCE = 256  # meta images in memory
_NEVER = -1e4  # the logit of a class that the meta set has no image of


def estimate_statistics(task: Task, model: nn.Module, augment: MaskedTransform | None) -> None:
    """Take batch norm's running statistics from the meta images and ten factual copies of each.

    Adaptive batch normalisation (Li et al. 2016, arXiv 1603.04779), to the images that the
    classifier shall be right on: it was trained on others. Meta images and copies go through it in
    batches of their own, as in the meta loss, and all batches count alike. A model without batch
    norm stays as it is.

    Args:
        task: whose meta set.
        model: changed in place; its mode stays.
        augment: gives the copies; None for the images alone.
    """

    def images() -> Iterator[Tensor]:
        for _ in range(_COPIES):
            for _, batch in _parts(task):
                yield batch.images
                if augment is not None and batch.masks is not None:
                    yield augment(batch.images, batch.masks, batch.labels)

    update_bn(images(), model, task.device)


def refit_last_layer(
    task: Task, model: nn.Module, augment: MaskedTransform | None, share: float = 1.0
) -> None:
    """Put a logistic regression on the meta set in the place of the last layer, or mix it in.

    The two layers are mixed after both were scaled to the same spread of logits on the meta images,
    that of the layer that was there. The model is in eval mode then.

    Args:
        task: whose meta set.
        model: changed in place.
        augment: gives ten copies of each meta image; None for the images alone.
        share: of the regression, from 0 (nothing changes) to 1 (DFR).

    Raises:
        ValueError: the last layer has no bias.
    """
    classifier = Classifier(model, task.data.num_classes)
    model.eval()
    with torch.no_grad():
        features, photos = _features(task, classifier, augment)
        labels = task.data.meta.labels[photos]
        head, classes = classifier.head, labels.unique()
        if head.bias is None:
            raise ValueError("DFR needs a last layer with a bias: set bias=True in nn.Linear")
        fitted, fitted_bias = _logistic_regression(features.double().cpu(), labels, photos)
        weight, bias = torch.zeros_like(head.weight), torch.full_like(head.bias, _NEVER)
        weight[classes], bias[classes] = fitted.to(weight), fitted_bias.to(bias)
        if share < 1:
            known = [layer[classes.to(task.device)] for layer in (head.weight, head.bias)]
            old = _spread(features @ known[0].T + known[1])
            new = _spread(features @ weight[classes].T + bias[classes])
            factor = old / new if new > 0 else 1.0
            weight = torch.lerp(head.weight, factor * weight, share)
            bias = torch.lerp(head.bias, factor * bias, share)
            absent = torch.ones_like(bias, dtype=torch.bool)
            absent[classes] = False  # a class that the meta set lacks keeps what it has
            weight[absent], bias[absent] = head.weight[absent], head.bias[absent]
        head.weight.copy_(weight)
        head.bias.copy_(bias)


def _features(
    task: Task, classifier: Classifier, augment: MaskedTransform | None
) -> tuple[Tensor, Tensor]:
    """Of all meta images and their copies, `(M, d)`, and the number of each one's photo, `(M,)`."""
    features, photos = [], []
    for places, batch in _parts(task):
        looks = [batch.images]
        if augment is not None and batch.masks is not None:
            looks += [augment(batch.images, batch.masks, batch.labels) for _ in range(_COPIES)]
        features += [classifier(images)[1] for images in looks]
        photos += [places] * len(looks)
    return torch.cat(features), torch.cat(photos)


def _parts(task: Task) -> Iterator[tuple[Tensor, Batch]]:
    """The meta set a part at a time, with its places.

    Images of all its length are in each: fills that take another class's background find one.
    """
    meta = task.data.meta
    parts = math.ceil(len(meta) / _AT_ONCE)
    for part in range(parts):
        places = torch.arange(part, len(meta), parts)
        yield places, meta.batch(places).to(task.device)


def _spread(logits: Tensor) -> Tensor:
    """How far the logits of an image lie apart, over all images."""
    return (logits - logits.mean(1, keepdim=True)).std()


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
