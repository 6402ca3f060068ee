"""What is hard about a run's data, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from causalogit.data import Data, Split
from causalogit.report.scene import Scene, describe_scene
from causalogit.train.load import LoadedRun


@dataclass(frozen=True)
class Facts:
    """Biases of one run's splits.

    Attributes:
        share: training images whose attribute is the usual one of their class; None without any.
        clue: whether the attribute gives the class of most training images away.
        test_share: as `share`, of the test images.
        even_attributes: whether every test class has all attributes equally often.
        even_test: whether the test set has all groups equally often.
        even_classes: whether the test set has all classes equally often.
        largest, smallest: name and training images of these classes.
        tail: whether the largest class is at least twice the smallest.
        wrong: share of training labels that are wrong.
        meta_clean: whether the labels of the meta set are right.
        has_masks: whether training images have masks.
    """

    share: float | None
    clue: bool
    test_share: float | None
    even_attributes: bool
    even_test: bool
    even_classes: bool
    largest: tuple[str, int]
    smallest: tuple[str, int]
    tail: bool
    wrong: float
    meta_clean: bool
    has_masks: bool


def state_facts(run: LoadedRun) -> Facts:
    """The facts of one run's data."""
    data, scene = run.data, describe_scene(run)
    counts = data.class_counts
    share, test_share = (_agreeing(split, scene) for split in (data.train, data.test))
    # of two attributes one is usual by chance alone
    threshold = max(0.5, 1.2 / len(scene.attributes))
    groups = torch.bincount(data.test.groups, minlength=data.num_groups)
    by_class = groups.reshape(data.num_classes, -1)
    largest, smallest = int(counts.argmax()), int(counts.argmin())
    return Facts(
        share=share,
        clue=scene.distinct and share is not None and share > threshold,
        test_share=test_share,
        even_attributes=bool((by_class.amax(1) - by_class.amin(1) <= 1).all()),
        even_test=_even(groups),
        even_classes=_even(by_class.sum(1)),
        largest=(scene.classes[largest], int(counts[largest])),
        smallest=(scene.classes[smallest], int(counts[smallest])),
        tail=bool(counts.max() >= 2 * counts.min()),
        wrong=data.train.wrong.double().mean().item(),
        meta_clean=not bool(data.meta.wrong.any()),
        has_masks=data.train.has_masks,
    )


def small_classes(data: Data) -> Tensor:
    """Classes with fewer training images than an even share, `(C,)` bool."""
    counts = data.class_counts
    return counts < counts.double().mean()


def _agreeing(split: Split, scene: Scene) -> float | None:
    return scene.agrees(split).double().mean().item() if scene.has_attributes else None


def _even(counts: Tensor) -> bool:
    return bool(counts.max() - counts.min() <= 1)
