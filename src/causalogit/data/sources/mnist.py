"""MNIST and Fashion-MNIST, as torchvision reads or downloads them."""

from __future__ import annotations

import gzip
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy
import torch

from causalogit.config import DataConfig
from causalogit.data.images import InMemory
from causalogit.data.samples import PARTS, Samples
from causalogit.data.sources.download import fetch

_CLOTHES = (
    "T-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


def mnist(config: DataConfig) -> Samples:
    """60,000 + 10,000 digits on black, `(N, 3, 28, 28)`; a mask is 1 wherever there is ink."""
    return _read("MNIST", config.path, tuple("0123456789"), "digit")


def fashion_mnist(config: DataConfig) -> Samples:
    """60,000 + 10,000 clothes on black, `(N, 3, 28, 28)`; a mask is 1 wherever there is cloth."""
    return _read("FashionMNIST", config.path, _CLOTHES, "piece of clothing")


@cache
def _read(name: str, path: str | None, class_names: tuple[str, ...], what: str) -> Samples:
    from torchvision import datasets

    kind: Any = getattr(datasets, name)
    train, test = (_load(kind, name, path, train=train) for train in (True, False))
    grey = torch.cat([train.data, test.data])[:, None]
    parts = torch.full((len(grey),), PARTS.index("train"))
    parts[len(train.data) :] = PARTS.index("test")
    return Samples(
        InMemory(grey.expand(-1, 3, -1, -1), (grey > 0).to(torch.uint8) * 255),
        torch.cat([train.targets, test.targets]),
        class_names,
        parts=parts,
        object_name=what,
    )


def _load(kind: Any, name: str, path: str | None, *, train: bool) -> Any:
    """From the four idx files, in the folder itself or where torchvision has them; or by it."""
    if path is None:
        return fetch(lambda root, download: kind(root, train, download=download), name, path)
    deep = Path(path) / name / "raw"
    return _Idx(deep if deep.is_dir() else Path(path), "train" if train else "t10k")


class _Idx:
    """Images and labels from idx files, packed or not."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.data = _read_idx(folder, f"{prefix}-images-idx3-ubyte")
        self.targets = _read_idx(folder, f"{prefix}-labels-idx1-ubyte").long()
        if len(self.data) != len(self.targets):
            raise ValueError(
                f"{folder}: {prefix} has {len(self.data)} images, but {len(self.targets)} labels: "
                "get the files anew"
            )


def _read_idx(folder: Path, name: str) -> torch.Tensor:
    for file, opener in ((folder / name, open), (folder / f"{name}.gz", gzip.open)):
        if file.is_file():
            try:
                with opener(file, "rb") as stream:
                    return _parse_idx(stream.read())
            except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
                raise ValueError(f"{file} is not a complete idx file of bytes: get it anew") from (
                    error
                )
    raise ValueError(
        f"{folder} has neither {name} nor {name}.gz: set data.path to the folder of the four idx "
        "files, or of torchvision's download, or leave it out to download them"
    )


def _parse_idx(content: bytes) -> torch.Tensor:
    if content[:3] != b"\x00\x00\x08":
        raise ValueError("not an idx file of bytes")
    dimensions = content[3]
    shape = numpy.frombuffer(content, ">i4", dimensions, 4).tolist()
    values = numpy.frombuffer(content, numpy.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(shape).copy())
