"""The leakage probe: does the outline, or the box, of the object give its label away?

Where an object is filled and its outline kept, as in counterfactual images, whatever the outline
tells of the label is still there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

FOLDS: Final = 5
STRENGTHS: Final = (0.001, 0.01, 0.1, 1.0)
"""Of the classifier's weights: what it may trust the training photos."""
MOST_PHOTOS: Final = 5000
LEAST_PHOTOS: Final = 10
"""Of a class; smaller classes are left out."""


@dataclass(frozen=True)
class Probe:
    """How well labels are told by a logistic regression, cross-validated over five folds.

    Attributes:
        accuracy: balanced accuracy, the mean over the classes.
        low, high: its 95 % interval over photos that are taken as independent.
        chance: balanced accuracy of guessing.
        photos: how many were looked at.
        classes: how many classes they have.
    """

    accuracy: float
    low: float
    high: float
    chance: float
    photos: int
    classes: int

    @property
    def leaks(self) -> bool:
        """Whether the whole interval is above chance."""
        return self.low > self.chance


def probe(values: Tensor, labels: Tensor) -> Probe | None:
    """Try to read the labels from some values.

    Args:
        values: `(N, D)`.
        labels: `(N,)`, numbers of classes.

    Returns:
        None where fewer than two classes have `LEAST_PHOTOS`. Of more than `MOST_PHOTOS`, every
        class gives the same share.
    """
    values, labels = _chosen(values, labels)
    classes = labels.unique().tolist()
    if len(classes) < 2:
        return None
    right = _predicted(values, labels) == labels
    recalls, variances = [], []
    for number in classes:
        own = right[labels == number].double()
        count, hits = len(own), own.sum().item()
        recalls.append(hits / count)
        # Agresti and Coull: an interval of some width even where all are right
        share = (hits + 2) / (count + 4)
        variances.append(share * (1 - share) / (count + 4))
    accuracy = sum(recalls) / len(classes)
    half = 1.96 * math.sqrt(sum(variances)) / len(classes)
    return Probe(
        accuracy=accuracy,
        low=max(0.0, accuracy - half),
        high=min(1.0, accuracy + half),
        chance=1 / len(classes),
        photos=len(labels),
        classes=len(classes),
    )


def _chosen(values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Values and labels of the classes that are large enough, thinned out where there are many."""
    counts = torch.bincount(labels)
    every = -(-len(labels) // MOST_PHOTOS)
    places = [
        (labels == number).nonzero().squeeze(1)[:: every if count >= every * LEAST_PHOTOS else 1]
        for number, count in enumerate(counts.tolist())
        if count >= LEAST_PHOTOS
    ]
    index = torch.cat(places) if places else labels[:0]
    return values[index], labels[index]


def _predicted(values: Tensor, labels: Tensor) -> Tensor:
    """The label of every photo by a classifier that has learned from the other folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def folds(count: int) -> StratifiedKFold:
        return StratifiedKFold(count, shuffle=True, random_state=0)

    plain = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    )
    # how much it is held back is chosen anew within the four folds that it learns from
    strengths = {"logisticregression__C": STRENGTHS}
    classifier = GridSearchCV(plain, strengths, scoring="balanced_accuracy", cv=folds(3))
    found = cross_val_predict(classifier, values.double().numpy(), labels.numpy(), cv=folds(FOLDS))
    return torch.from_numpy(found)
