"""CIFAR-10 and CIFAR-100: torchvision's files, or `{train,test}/CLASS/` images, packed or not."""

from __future__ import annotations

import lzma
import tarfile
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy
import torch
from PIL import Image

from causalogit.config import DataConfig
from causalogit.data.images import InMemory
from causalogit.data.samples import PARTS, Samples
from causalogit.data.sources.download import fetch


def cifar10(config: DataConfig) -> Samples:
    """50,000 + 10,000 photos of ten classes, `(N, 3, 32, 32)`; no masks."""
    return _read("CIFAR10", config.path)


def cifar100(config: DataConfig) -> Samples:
    """50,000 + 10,000 photos of a hundred classes, `(N, 3, 32, 32)`; no masks."""
    return _read("CIFAR100", config.path)


@cache
def _read(name: str, path: str | None) -> Samples:
    if path is not None and Path(path).is_file():
        return _from_images(_in_archive(Path(path)), Path(path))
    if path is not None and (Path(path) / "train").is_dir():
        return _from_images(_in_folder(Path(path)), Path(path))
    from torchvision import datasets

    kind: Any = getattr(datasets, name)

    def load(root: str, download: bool) -> tuple[Any, Any]:
        return kind(root, True, download=download), kind(root, False, download=download)

    train, test = fetch(load, name, path)
    pixels = numpy.concatenate([train.data, test.data])
    return _samples(
        pixels, [*train.targets, *test.targets], len(train.targets), tuple(train.classes)
    )


def _samples(
    pixels: numpy.ndarray[Any, Any], labels: list[int], train: int, class_names: tuple[str, ...]
) -> Samples:
    parts = torch.full((len(labels),), PARTS.index("train"))
    parts[train:] = PARTS.index("test")
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    return Samples(InMemory(images), torch.tensor(labels), class_names, parts=parts)


def _from_images(files: Iterator[tuple[PurePosixPath, bytes]], where: Path) -> Samples:
    """Images named `.../{train,test}/CLASS/NAME`, sorted, so that no order of a disk matters."""
    found: dict[str, list[tuple[str, str, numpy.ndarray[Any, Any]]]] = {"train": [], "test": []}
    for name, content in files:
        if len(name.parts) < 3 or name.parts[-3] not in found:
            continue
        try:
            with Image.open(BytesIO(content)) as image:
                pixels = numpy.asarray(image.convert("RGB"))
        except OSError as error:
            raise ValueError(f"{where}: {name} is not a readable image: {error}") from error
        if pixels.shape != (32, 32, 3):
            raise ValueError(
                f"{where}: {name} is {pixels.shape[1]} x {pixels.shape[0]}, not 32 x 32"
            )
        found[name.parts[-3]].append((name.parts[-2], name.name, pixels))
    if not found["train"] or not found["test"]:
        raise ValueError(f"{where} has no images named train/CLASS/NAME and test/CLASS/NAME")
    rows = [row for part in found.values() for row in sorted(part, key=lambda row: row[:2])]
    names = tuple(sorted({label for label, _, _ in rows}))
    labels = [names.index(label) for label, _, _ in rows]
    return _samples(numpy.stack([row[2] for row in rows]), labels, len(found["train"]), names)


def _in_archive(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield PurePosixPath(member.name), file.read()
            if not _ends(archive):
                raise EOFError("its end is missing")
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError) as error:
        raise ValueError(f"{path} is not a complete archive: {error}") from error


def _ends(archive: tarfile.TarFile) -> bool:
    """Whether the mark of the end follows the last member: tarfile itself does not mind."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    return archive.fileobj.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)


def _in_folder(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    for file in path.rglob("*"):
        if file.is_file():
            yield PurePosixPath(file.relative_to(path).as_posix()), file.read_bytes()
