"""Words for what is in the images: classes, attributes, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from causalogit.data import Data, Split
from causalogit.data.biases import palette
from causalogit.data.sources import find_source
from causalogit.train.load import LoadedRun

MOST_CLASSES = 10
"""Classes of which images and tables are shown, at most."""

_ON = {"background": "on", "colour": "in", "texture": "with", "attribute": "with"}


@dataclass(frozen=True)
class Scene:
    """Names of one data set.

    Attributes:
        object: what an image shows, as one word.
        classes: one name a class.
        attributes: one name an attribute; a single one where there are none.
        paints: the attributes' colours, for CSS; empty where they are no colours.
        attribute: what an attribute is, in one word.
        usual: the attribute that training shows most with each class; differs between splits.
    """

    object: str
    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    paints: tuple[str, ...]
    attribute: str = "background"
    usual: tuple[int, ...] = field(default=(), compare=False)

    @property
    def has_attributes(self) -> bool:
        """Whether there is anything besides the classes."""
        return len(self.attributes) > 1

    @property
    def distinct(self) -> bool:
        """Whether every class has a usual attribute of its own, which would give it away."""
        return self.has_attributes and len(set(self.usual)) == len(self.usual)

    @property
    def on_the_object(self) -> bool:
        """Whether the attribute is the object's own: to look at the object is no merit then."""
        return self.attribute in ("colour", "texture")

    @property
    def on(self) -> str:
        """Between a class and its attribute: "on", "in" or "with"."""
        return _ON[self.attribute]

    @property
    def an(self) -> str:
        """The attribute's word with its article."""
        return f"{'an' if self.attribute[0] in 'aeiou' else 'a'} {self.attribute}"

    @property
    def shown(self) -> list[int]:
        """The classes that are shown: all, or ten, evenly spread over their order."""
        return evenly(len(self.classes), MOST_CLASSES)

    def attribute_of(self, split: Split) -> Tensor:
        """Each image's attribute, `(N,)`."""
        return split.groups % len(self.attributes)

    def agrees(self, split: Split) -> Tensor:
        """True where an image's attribute is the usual one of its class, `(N,)`."""
        return self.attribute_of(split) == self.usual_of(split.labels)

    def usual_of(self, labels: Tensor) -> Tensor:
        """The attribute that goes with each of `labels` `(N,)`."""
        return torch.tensor(self.usual)[labels]

    def named(self, label: int, attribute: int) -> str:
        """A class with an attribute, such as "0 or 1 on lime"."""
        if not self.has_attributes:
            return self.classes[label]
        between = f" {self.on} " if self.paints else ", "
        return f"{self.classes[label]}{between}{self.attributes[attribute]}"

    def paint_of(self, label: int) -> str:
        """The colour that goes with a class; empty where there is none."""
        return self.paints[self.usual[label]] if self.paints else ""


def describe_scene(run: LoadedRun) -> Scene:
    """The names of a run's data, colours for its attributes, and what goes with what."""
    data: Data = run.data
    count = len(data.attribute_names)
    given = run.config.data
    painted = find_source(given.source).fill_in(given).attribute.kind or "none"
    coloured = count > 1 and painted in ("background", "scene", "colour")
    paints = [f"#{bytes(rgb).hex()}" for rgb in (palette(count) * 255).round().int().tolist()]
    return Scene(
        data.object_name,
        data.class_names,
        data.attribute_names,
        tuple(paints) if coloured else (),
        {"none": "attribute", "scene": "background"}.get(painted, painted),
        _usual(data),
    )


def _usual(data: Data) -> tuple[int, ...]:
    counts = data.group_counts.reshape(data.num_classes, -1)
    usual = counts.argmax(1)
    if counts.shape[0] == counts.shape[1]:
        # where several are as common, the one that painted data means to go with the class
        own = torch.arange(len(counts))
        usual = torch.where(counts.diagonal() == counts.amax(1), own, usual)
    return tuple(usual.tolist())


def evenly(count: int, most: int) -> list[int]:
    """All of `count` places, or `most` of them, evenly spread, with the first and the last."""
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]
