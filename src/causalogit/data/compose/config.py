"""What a composed set is asked to be."""

from __future__ import annotations

from dataclasses import dataclass

from causalogit.config.check import Section, require

SPLITS = ("train", "validation", "test", "meta")
"""The column `split` of metadata.csv is the place in this tuple; the first three are WILDS'."""


@dataclass(frozen=True)
class ComposeConfig(Section):
    """Which cut-outs on which scenes, how many images, and how strong the correlation is.

    Every class has the same number of images in every split.

    Args:
        foregrounds: folder with a sub-folder of cut-outs (images with transparency) for each class.
        backgrounds: folder with a sub-folder of scenes for each place; all of them take part.
        pairs: which place goes with which class, as {class: place}; in this order the classes are
            numbered, and after it the places. A class that is not named is left out.
        correlation: share of a class's training images whose place agrees with the class; the
            other places share the rest evenly.
        train: training images.
        meta: meta images, balanced over the groups (pairs of class and place).
        validation: validation images, balanced over the groups.
        test: test images, balanced over the groups.
        meta_correlation: the same share for the meta images, in place of the balance.
        size: side of the square images, in pixels.
        min_scale: smallest longest side of an object, as a share of the image's side.
        max_scale: largest longest side of an object, as a share of the image's side.
        seed: of the split and of every draw.

    Raises:
        ValueError: a value is out of range, or the classes cannot share a split evenly.
    """

    foregrounds: str
    backgrounds: str
    pairs: dict[str, str]
    correlation: float = 0.95
    train: int = 2000
    meta: int = 100
    validation: int = 300
    test: int = 600
    meta_correlation: float | None = None
    size: int = 96
    min_scale: float = 0.5
    max_scale: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            len(self.pairs) > 1 and len(set(self.pairs.values())) > 1,
            f"pairs are {self.pairs}: name at least two classes that go with different places",
        )
        for name in ("correlation", "meta_correlation"):
            share = getattr(self, name)
            require(
                share is None or 0 <= share <= 1,
                f"{name} is {share}: give a share between 0 and 1",
            )
        for name in SPLITS:
            images = getattr(self, name)
            require(images > 0, f"{name} is {images}: give a positive number of images")
            require(
                images % len(self.pairs) == 0,
                f"{name} is {images}, which {len(self.pairs)} classes cannot share evenly: "
                f"give a multiple of {len(self.pairs)}",
            )
        require(self.size > 0, f"size is {self.size}: give a positive number of pixels")
        require(
            0 < self.min_scale <= self.max_scale <= 1,
            f"min_scale and max_scale are {self.min_scale} and {self.max_scale}: give shares "
            "above 0, up to 1, the smaller one first",
        )

    def images(self, split: str) -> int:
        """Images of one of `SPLITS`."""
        count: int = getattr(self, split)
        return count

    def agreement(self, split: str) -> float | None:
        """Share of a class's images in its own place; None where the groups are balanced."""
        return {"train": self.correlation, "meta": self.meta_correlation}.get(split)
