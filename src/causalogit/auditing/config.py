"""What is audited, on what, and how: one frozen, typed config."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from causalogit.config.check import Section, require, require_normalisation


@dataclass(frozen=True)
class ModelConfig(Section, prefix="model."):
    """How the file of a classifier from elsewhere is to be read; ours need none of it.

    Args:
        architecture: what a file of weights belongs to: a model of timm by its name, such as
            "resnet18", "torchvision:NAME", or "module:function" of your own.
        outputs: names of the classifier's outputs in their order, as [cat,dog] or cat,dog, or one
            text file with a name a line; empty for those that a checkpoint of ours holds, and for
            the photos' classes in alphabetical order of any other.
        mean: of the channels, subtracted from photos in [0, 1]; empty for what the architecture is
            known to need, and nothing where it is not known.
        std: of the channels, divided by, with `mean`.
        trust: read formats that run code when they are read (TorchScript, torch.export): only for
            files whose origin you know.
    """

    architecture: str | None = None
    outputs: tuple[str, ...] | str = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    trust: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_normalisation("model.", self.mean, self.std)


@dataclass(frozen=True)
class PhotosConfig(Section, prefix="data."):
    """The labelled photos.

    Args:
        source: path of a folder of photos (CLASS/PHOTO) or of a table, or a name, as for training;
            null for the data that a checkpoint of ours names itself.
        path: where a named data set lies.
        mask_path: folder of masks with the photos' names.
        image_size: pixels of a side; null for what the classifier needs, or the source's default.
        split: which photos; null for the test split where there is one, else all.
    """

    source: str | None = None
    path: str | None = None
    mask_path: str | None = None
    image_size: int | None = None
    split: Literal["train", "validation", "test", "meta", "all"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.image_size is None or self.image_size > 0,
            f"data.image_size is {self.image_size}: give a positive number",
        )


@dataclass(frozen=True)
class AuditConfig(Section):
    """One audit.

    Args:
        model: how a classifier from elsewhere is read.
        data: the photos.
        segmenter: what finds the objects where the photos have no masks, by its name, see
            `causalogit masks`.
        segmenter_path: file of the segmenter's weights, in place of their download.
        batch_size: photos in a batch.
        seed: of the draw of backgrounds.
        device: "cpu", "cuda", or "auto" for the GPU where there is one.
        threshold: share of the answers from which on a reliance on the background counts.
        attention: photos whose attention is mapped, at most, evenly spread over the set.
        most_groups: groups of backgrounds that are looked for, at most; they are named by letters.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: PhotosConfig = field(default_factory=PhotosConfig)
    segmenter: str | None = None
    segmenter_path: str | None = None
    batch_size: int = 64
    seed: int = 0
    device: str = "auto"
    threshold: float = 0.1
    attention: int = 100
    most_groups: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.batch_size > 0, f"batch_size is {self.batch_size}: give at least 1")
        require(
            0 < self.threshold < 1, f"threshold is {self.threshold}: give a share between 0 and 1"
        )
        require(self.attention >= 0, f"attention is {self.attention}: give 0 or more photos")
        require(
            2 <= self.most_groups <= 26,
            f"most_groups is {self.most_groups}: give a number from 2 to 26",
        )
