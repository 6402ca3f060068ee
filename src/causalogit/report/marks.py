"""Which training images stand apart in the figures of delta: those that a bias makes rare."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from causalogit.report.facts import Facts, small_classes
from causalogit.report.scene import Scene, describe_scene
from causalogit.train.load import LoadedRun


@dataclass(frozen=True)
class Marks:
    """Two kinds of training images.

    Attributes:
        common: True for the first kind, `(N,)`.
        words: what an image of the first, and of the second kind is.
        where: the same, as in "mean delta where ...".
        why: what delta should make of the difference.
    """

    common: Tensor
    words: tuple[str, str]
    where: tuple[str, str]
    why: str


def marks_of(run: LoadedRun, scene: Scene, facts: Facts) -> Marks:
    """By attribute where there is any, else by wrong labels, else by the size of the class."""
    given = run.perturbations
    assert given is not None
    if scene.has_attributes:
        word = scene.attribute
        usual = describe_scene(run).usual_of(given.labels)
        return Marks(
            given.groups % len(scene.attributes) == usual,
            (f"{word} agrees with the class", f"{word} disagrees"),
            (f"the {word} agrees", f"the {word} disagrees"),
            f"If that is to undo the {word}, it has to treat the few images whose {word} "
            f"disagrees unlike the many whose {word} agrees.",
        )
    if given.true_labels is not None and facts.wrong:
        return Marks(
            given.true_labels == given.labels,
            ("label is right", "label is wrong"),
            ("the label is right", "the label is wrong"),
            "If that is to undo wrong labels, it has to treat images with a wrong label unlike "
            "those with a right one.",
        )
    if facts.tail:
        return Marks(
            ~small_classes(run.data)[given.labels],
            ("class of average size or larger", "smaller class"),
            ("the class is large", "the class is small"),
            "If that is to make up for the sizes of the classes, it has to treat images of small "
            "classes unlike those of large ones.",
        )
    everyone = torch.ones(len(given.labels), dtype=torch.bool)
    return Marks(everyone, ("training image", ""), ("all images are counted", ""), "")
