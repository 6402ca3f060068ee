"""Words for what is in the images: classes, backgrounds, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from causalogit.data import Data, Split
from causalogit.data.biases import COLOURS
from causalogit.train.load import LoadedRun

_COLOUR_NAMES = ("red", "lime", "sea green", "blue", "violet")
_CLASSES = {"digits": ("0 or 1", "2 or 3", "4 or 5", "6 or 7", "8 or 9")}
_OBJECTS = {"digits": "digit"}


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
    """The names of a run's data; plain numbers where a source has none."""
    data: Data = run.data
    source = run.config.data.source
    count = data.num_groups // data.num_classes
    named = _CLASSES.get(source, ())
    numbered = tuple(f"class {number}" for number in range(data.num_classes))
    coloured = count == len(COLOURS)
    paints = [f"#{bytes(rgb).hex()}" for rgb in (COLOURS * 255).round().int().tolist()]
    return Scene(
        _OBJECTS.get(source, "object"),
        named if len(named) == len(numbered) else numbered,
        _COLOUR_NAMES if coloured else tuple(f"background {number}" for number in range(count)),
        tuple(paints) if coloured else ("#808080",) * count,
    )
