"""Which images, how biased, how split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from causalogit.config.check import Section, require, require_seed


@dataclass(frozen=True)
class LongTailConfig(Section, prefix="data.long_tail."):
    """Classes of unequal size, in an exponential profile.

    Args:
        ratio: images of the largest class over those of the smallest; 1 for none.
        order: which class is the largest: class 0 ("fixed", as the community has it) or one drawn
            by the seed ("shuffled", as the CLP paper has it).
    """

    ratio: float = 1.0
    order: Literal["fixed", "shuffled"] = "fixed"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.ratio >= 1, f"data.long_tail.ratio is {self.ratio}: give at least 1")


@dataclass(frozen=True)
class NoiseConfig(Section, prefix="data.noise."):
    """Wrong labels on training images.

    Args:
        kind: any class ("uniform"), one other class ("flip"), or one of two others ("flip2").
        rate: chance that a label is drawn anew.
    """

    kind: Literal["none", "uniform", "flip", "flip2"] = "none"
    rate: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            0 <= self.rate <= 1, f"data.noise.rate is {self.rate}: give a share between 0 and 1"
        )


@dataclass(frozen=True)
class AttributeConfig(Section, prefix="data.attribute."):
    """A spurious attribute that is laid on the images.

    Args:
        kind: the background's colour, a textured background in that colour ("scene", another one
            behind every image), the object's colour, or its texture; null for what the source has
            by default (digits: background; all others: none).
        correlation: share of a class's training images whose attribute agrees with the class.
        ratio: above 1, instead of the correlation: a long tail of attributes inside of each class,
            most common over rarest (generalized long tail).
        protocol: of a generalized long tail. "clt": test attributes as in training; "glt": test
            balanced over attributes as well; "alt": training classes balanced, test as in "glt".
    """

    kind: Literal["none", "background", "scene", "colour", "texture"] | None = None
    correlation: float = 0.95
    ratio: float = 1.0
    protocol: Literal["clt", "glt", "alt"] = "glt"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            0 <= self.correlation <= 1,
            f"data.attribute.correlation is {self.correlation}: give a share between 0 and 1",
        )
        require(self.ratio >= 1, f"data.attribute.ratio is {self.ratio}: give at least 1")


@dataclass(frozen=True)
class MetaConfig(Section, prefix="data.meta."):
    """The meta set, disjoint from all others.

    Args:
        per_class: images of each class; null for the source's default (digits: 20, imagenet_glt: 2,
            others: 10).
        drawn: balanced over classes, and over attributes as far as there are images; or like the
            training set ("like_training", `per_class` on average).
        labels: clean, or as noisy as the training labels ("like_training").
        taken_from: the training images, or a source's own validation images; null for the source's
            default (imagenet_lt: validation, others: train).
    """

    per_class: int | None = None
    drawn: Literal["balanced", "like_training"] = "balanced"
    labels: Literal["clean", "like_training"] = "clean"
    taken_from: Literal["train", "validation"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.per_class
        require(size is None or size > 0, f"data.meta.per_class is {size}: give at least one image")
        require(
            self.drawn == "balanced" or self.taken_from != "validation",
            "data.meta.drawn 'like_training' takes its images from the training set: set "
            "data.meta.taken_from to 'train'",
        )


@dataclass(frozen=True)
class DataConfig(Section, prefix="data."):
    """Which images, how biased, and how they are split.

    Args:
        source: name of a data set (see `causalogit data sources`), path of a folder of photos or
            of a CSV or Parquet file, "hf:NAME" for a data set of Hugging Face, or "wds:FOLDER" for
            tar files as WebDataset has them.
        path: where a named data set lies, in place of its download.
        image_size: pixels of a side, for photos (the short side is resized, the middle kept); null
            for the source's default (photos: 224).
        memory: MiB of decoded photos that are kept, and of masks that are learned; a set that needs
            more is decoded, and its masks are found, anew at every read.
        masks: masks that training images have: their exact outline, its box, the outline dilated or
            eroded by 2 pixels or shifted by 3; a box in the centre of every image, for sources
            without masks ("centre"); or what a small network finds that has learned the masks of
            the meta images ("learned": budget B does with it what budget C does).
        masked_share: share of training images that have a mask; of all others nothing is known, so
            that all of the image counts as object.
        mask_path: folder of masks for a folder of photos or waterbirds, with the photos' names.
        transform: what training and meta images go through whenever they are drawn: a crop out of
            the padded image, or a zoomed crop; both flip half of them.
        classes: new classes, each the union of some of the source's own, by their names, such as
            {top: [T-shirt, pullover], coat: [coat, shirt]}; all others are left out. Empty for the
            source's own.
        largest_class: most training images of a class; null for all.
        validation_size: images in the validation set, alike for all groups; null for the source's
            own, or a tenth of every group.
        test_size: images in the test set, alike for all groups; null for the source's own, or a
            fifth of every group. All others train.
        long_tail: classes of unequal size.
        noise: wrong labels.
        attribute: a spurious attribute.
        meta: the meta set. Where it is taken from training images, another size of it also deals
            out other validation and test images.
        seed: of the split and of the biases that are laid on; null for that of the run. With a
            number, runs of other seeds differ in weights and draws of training alone.
    """

    source: str = "digits"
    path: str | None = None
    image_size: int | None = None
    memory: int = 2048
    masks: Literal["exact", "box", "dilated", "eroded", "shifted", "centre", "learned"] = "exact"
    masked_share: float = 1.0
    mask_path: str | None = None
    transform: Literal["none", "pad_crop_flip", "zoom_crop_flip"] = "none"
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    largest_class: int | None = None
    validation_size: int | None = None
    test_size: int | None = None
    long_tail: LongTailConfig = field(default_factory=LongTailConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    attribute: AttributeConfig = field(default_factory=AttributeConfig)
    meta: MetaConfig = field(default_factory=MetaConfig)
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seed("data.seed", self.seed)
        for name in ("image_size", "largest_class", "validation_size", "test_size"):
            size = getattr(self, name)
            require(
                size is None or size > 0,
                f"data.{name} is {size}: give a positive number, or null for the default",
            )
        require(self.memory >= 0, f"data.memory is {self.memory}: give a number of MiB, from 0 on")
        require(
            0 <= self.masked_share <= 1,
            f"data.masked_share is {self.masked_share}: give a share between 0 and 1",
        )
        require(
            self.masks != "learned" or self.masked_share == 1,
            f"data.masks is 'learned', which gives every image a mask, and data.masked_share is "
            f"{self.masked_share}: leave one of them out",
        )
