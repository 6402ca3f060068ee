"""What a source gives, before any bias is laid on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from causalogit.data.images import Images, Taken, Unmasked

PARTS: Final = ("train", "validation", "test", "meta")
"""Names of the splits; a source's own splits are numbered in this order."""


@dataclass(frozen=True)
class Samples:
    """Images with what is known of them.

    Attributes:
        images: N of them, with or without object masks.
        labels: `(N,)`.
        class_names: one a class.
        attributes: `(N,)`, the spurious attribute of each image (its background, say), or None.
        attribute_names: one an attribute.
        parts: `(N,)`, the source's own splits as numbers of `PARTS`, or None.
        object_name: what an image shows, as one word.
        masked: `(N,)` bool, which images have a mask; None where all have one or none has.
    """

    images: Images
    labels: Tensor
    class_names: tuple[str, ...]
    attributes: Tensor | None = None
    attribute_names: tuple[str, ...] = ()
    parts: Tensor | None = None
    object_name: str = "object"
    masked: Tensor | None = None

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> Samples:
        """The samples at `index` `(M,)`, in this order."""
        return replace(
            self,
            images=Taken(self.images, index),
            labels=self.labels[index],
            attributes=None if self.attributes is None else self.attributes[index],
            parts=None if self.parts is None else self.parts[index],
            masked=None if self.masked is None else self.masked[index],
        )

    def images_at(self, index: Tensor) -> Images:
        """The images at `index` `(M,)`; with masks where every one of them has one."""
        images = Taken(self.images, index)
        return images if self.masked is None or self.masked[index].all() else Unmasked(images)

    def part(self, name: str) -> Tensor:
        """Places of the source's own split of this name, `(M,)`; all are "train" without any."""
        if self.parts is None:
            places = torch.arange(len(self))
            return places if name == "train" else places[:0]
        return torch.nonzero(self.parts == PARTS.index(name)).squeeze(1)


def united(samples: Samples, classes: Mapping[str, Sequence[str]]) -> Samples:
    """Samples of new classes, each the union of some of the old ones; all others are left out.

    Args:
        samples: to choose from.
        classes: names of old classes by the name of the new one.

    Raises:
        ValueError: there is no such class, one is named twice, or fewer than two are left.
    """
    numbers = {name: number for number, name in enumerate(samples.class_names)}
    named = [name for members in classes.values() for name in members]
    strangers = [name for name in named if name not in numbers]
    if strangers or len(set(named)) < len(named) or len(classes) < 2 or not all(classes.values()):
        raise ValueError(
            f"data.classes names {named}: give at least two classes, each of some of "
            f"{', '.join(samples.class_names)}, each of them once"
        )
    new = torch.full((samples.num_classes,), -1)
    for number, members in enumerate(classes.values()):
        new[[numbers[name] for name in members]] = number
    labels = new[samples.labels]
    kept = samples.take(torch.nonzero(labels >= 0).squeeze(1))
    return replace(kept, labels=labels[labels >= 0], class_names=tuple(classes))
