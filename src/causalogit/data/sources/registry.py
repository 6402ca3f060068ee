"""The sources by name or by path, with what each has by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from causalogit.config import DataConfig
from causalogit.data.samples import Samples
from causalogit.data.sources.celeba import celeba
from causalogit.data.sources.cifar import cifar10, cifar100
from causalogit.data.sources.digits import digits
from causalogit.data.sources.folder import PHOTO_SIZE, photo_folder
from causalogit.data.sources.glt import imagenet_glt, mscoco_glt
from causalogit.data.sources.hub import PREFIX as HUB
from causalogit.data.sources.hub import hub
from causalogit.data.sources.imagenet_lt import imagenet_lt
from causalogit.data.sources.manifest import SUFFIXES, manifest
from causalogit.data.sources.mnist import fashion_mnist, mnist
from causalogit.data.sources.shards import PREFIX as SHARDS
from causalogit.data.sources.shards import shards
from causalogit.data.sources.waterbirds import METADATA, composed, waterbirds


@dataclass(frozen=True)
class Source:
    """A data set.

    Attributes:
        load: reads it; lazily where it is large.
        summary: what it is, in a few words.
        path: what `data.path` must point to; empty where it is not used.
        attribute: the spurious attribute that is laid on it by default.
        meta_per_class: meta images of each class by default.
        validation_size, test_size: sizes by default; None for the source's own or a share.
        image_size: pixels of a side by default; None where the images have a size of their own.
        meta_taken_from: which images the meta set is taken from by default.
        masked_by_path: whether `data.mask_path` names its masks.
    """

    load: Callable[[DataConfig], Samples]
    summary: str
    path: str = ""
    attribute: Literal["none", "background"] = "none"
    meta_per_class: int = 10
    validation_size: int | None = None
    test_size: int | None = None
    image_size: int | None = None
    meta_taken_from: Literal["train", "validation"] = "train"
    masked_by_path: bool = False

    def fill_in(self, config: DataConfig) -> DataConfig:
        """The config with this source's defaults where it is silent.

        Raises:
            ValueError: it has a path that this source does not use, or a long tail of attributes
                that are not laid on.
        """
        for name, used in (("path", bool(self.path)), ("mask_path", self.masked_by_path)):
            if getattr(config, name) is not None and not used:
                raise ValueError(f"data.{name} is not used by {config.source}: leave it out")
        attribute, meta = config.attribute, config.meta
        if attribute.kind is None:
            attribute = replace(attribute, kind=self.attribute)
        if attribute.kind == "none" and attribute.ratio > 1:
            raise ValueError(
                f"data.attribute.ratio is {attribute.ratio:g}, but no attribute is laid on "
                f"{config.source}: set data.attribute.kind to 'background', 'colour' or 'texture', "
                "or leave the ratio out"
            )
        if meta.per_class is None:
            meta = replace(meta, per_class=self.meta_per_class)
        if meta.taken_from is None:
            balanced = meta.drawn == "balanced"
            meta = replace(meta, taken_from=self.meta_taken_from if balanced else "train")
        return replace(
            config,
            attribute=attribute,
            meta=meta,
            image_size=config.image_size or self.image_size,
            validation_size=config.validation_size or self.validation_size,
            test_size=config.test_size or self.test_size,
        )


_IDX = "optional: torchvision's download, or the folder of the four idx files"
_CIFAR = "optional: torchvision's download, or a folder or archive of {train,test}/CLASS/IMAGE"

SOURCES: dict[str, Source] = {
    "digits": Source(
        digits,
        "5,000 MNIST digits, five classes; no download",
        attribute="background",
        meta_per_class=20,
        validation_size=400,
        test_size=1000,
    ),
    "mnist": Source(mnist, "MNIST, 28 x 28", _IDX, validation_size=1000),
    "fashion_mnist": Source(fashion_mnist, "Fashion-MNIST, 28 x 28", _IDX, validation_size=1000),
    "cifar10": Source(cifar10, "CIFAR-10, 32 x 32", _CIFAR, validation_size=1000),
    "cifar100": Source(cifar100, "CIFAR-100, 32 x 32", _CIFAR, validation_size=1000),
    "waterbirds": Source(
        waterbirds,
        "Waterbirds: birds on land and on water, four groups",
        "the folder of metadata.csv; data.mask_path: CUB-200-2011's segmentations",
        image_size=PHOTO_SIZE,
        masked_by_path=True,
    ),
    "celeba": Source(
        celeba,
        "CelebA: blond hair, by gender, four groups",
        "the folder of list_attr_celeba.csv, list_eval_partition.csv and img_align_celeba",
        image_size=PHOTO_SIZE,
    ),
    "imagenet_lt": Source(
        imagenet_lt,
        "ImageNet-LT, 1,000 classes",
        "the folder of ImageNet's train and val, and ImageNet_LT_{train,val,test}.txt",
        image_size=PHOTO_SIZE,
        meta_taken_from="validation",  # the smallest classes have five training images
    ),
    "imagenet_glt": Source(
        imagenet_glt,
        "ImageNet-GLT, 1,000 classes; data.attribute.protocol",
        "the folder of ImageNet's train and imagenet_sup_intra_lt_inter_{lt,bl}.json",
        image_size=PHOTO_SIZE,
        meta_per_class=2,  # the smallest classes have hardly more training images
    ),
    "mscoco_glt": Source(
        mscoco_glt,
        "MSCOCO-GLT, 29 classes; data.attribute.protocol",
        "the folder of coco_glt and coco_cbl, each annotation.json and images",
        image_size=PHOTO_SIZE,
    ),
}

OTHERS: dict[str, Source] = {
    "FOLDER": Source(
        photo_folder,
        "photos, CLASS/PHOTO or {train,val,test,meta}/CLASS/PHOTO; masks in data.mask_path",
        image_size=PHOTO_SIZE,
        masked_by_path=True,
    ),
    "FOLDER/metadata.csv": Source(
        composed,
        "photos, masks and groups in the columns of Waterbirds; give the folder",
        image_size=PHOTO_SIZE,
        masked_by_path=True,
    ),
    "FILE.csv, .tsv, .parquet": Source(
        manifest,
        "photos with columns image, label, and if wanted group, mask or box, split",
        image_size=PHOTO_SIZE,
    ),
    "hf:NAME": Source(
        hub,
        "of Hugging Face, or a folder of save_to_disk; pip install 'causalogit[data]'",
        image_size=PHOTO_SIZE,
    ),
    "wds:FOLDER or FILES": Source(
        shards,
        "tar files as WebDataset has them, read where they lie; PATH or a pattern with *",
        image_size=PHOTO_SIZE,
    ),
}
"""Sources that are found by what `data.source` looks like."""


def find_source(name: str) -> Source:
    """A source by its name, by the path of a folder or table, or by "hf:" or "wds:" and a name.

    Raises:
        ValueError: there is no such source.
    """
    if name in SOURCES:
        return SOURCES[name]
    path = Path(name)
    if name.startswith(HUB):
        return OTHERS["hf:NAME"]
    if name.startswith(SHARDS):
        return OTHERS["wds:FOLDER or FILES"]
    if path.is_dir():
        return OTHERS["FOLDER/metadata.csv" if (path / METADATA).is_file() else "FOLDER"]
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise ValueError(
                f"data.source {name} is a file, but none of {', '.join(SUFFIXES)}: give a table of "
                "photos, or a folder"
            )
        return OTHERS["FILE.csv, .tsv, .parquet"]
    raise ValueError(
        f"data.source '{name}' is not known: choose among {', '.join(SOURCES)}, or give hf:NAME, "
        "wds:FOLDER or the path of a folder or table that exists"
    )
