"""Words for what is in the images: classes, backgrounds, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from causalogit.data import Data, Split
from causalogit.data.biases import palette
from causalogit.train.load import LoadedRun


@dataclass(frozen=True)
class Scene:
    """Names of one data set.

    Attributes:
        object: what an image shows, as one word.
        classes: one name a class.
        backgrounds: one name a background.
        paints: the backgrounds' colours, for CSS.
    """

    object: str
    classes: tuple[str, ...]
    backgrounds: tuple[str, ...]
    paints: tuple[str, ...]

    def agrees(self, split: Split) -> Tensor:
        """True where an image's background is the one that goes with its class, `(N,)`."""
        return self.background(split) == split.labels

    def background(self, split: Split) -> Tensor:
        """Each image's background, `(N,)`."""
        return split.groups % len(self.backgrounds)


def describe_scene(run: LoadedRun) -> Scene:
    """The names of a run's data, and colours for its backgrounds."""
    data: Data = run.data
    count = len(data.attribute_names)
    paints = [f"#{bytes(rgb).hex()}" for rgb in (palette(count) * 255).round().int().tolist()]
    coloured = count > 1 and run.config.data.attribute.kind in (None, "background", "colour")
    return Scene(
        data.object_name,
        data.class_names,
        data.attribute_names,
        tuple(paints) if coloured else ("#808080",) * count,
    )
