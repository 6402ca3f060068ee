"""Sets in tar files, as WebDataset has them: found once, then read by index without unpacking."""

from __future__ import annotations

import json
import re
import tarfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from glob import glob
from itertools import groupby
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from causalogit.config import DataConfig
from causalogit.data.samples import PARTS, Samples
from causalogit.data.sources.classes import check_classes, in_order
from causalogit.data.sources.files import split_name
from causalogit.data.sources.files.decode import (
    Unusable,
    decode_mask,
    decode_photo,
    fit_mask,
    stacked,
)
from causalogit.data.sources.files.photos import LazyImages, in_threads
from causalogit.data.sources.folder import PHOTO_SIZE

PREFIX: Final = "wds:"
SUFFIX: Final = ".tar"
IMAGES: Final = ("jpg", "jpeg", "png", "webp", "bmp", "ppm")
MASKS: Final = ("mask.png", "seg.png")
MOST_NAMED: Final = 5

Members = Mapping[str, tarfile.TarInfo]
"""The files of one sample by their extensions."""


def shards(config: DataConfig) -> Samples:
    """A set in tar files: one of them, all of a folder, or those of a pattern with `*`.

    Files that share their name up to the first dot are one sample: an image (.jpg, .png, ...); its
    class in .cls (a number or a name) or as "label" in .json; and if wanted its mask in .mask.png
    and its background as "group" in .json. A tar file that has train, val, test or meta as a word
    of its name, or of its folder's, is of that split; all others are of train.

    The headers of the tar files are read once, and a few numbers are kept of each sample. Images
    are read where they lie, when they are asked for.

    Raises:
        ValueError: there are no tar files, they cannot be read, or samples lack something.
    """
    index = _Index(f"data.source {config.source}")
    for file in _files(config.source):
        index.add(file)
    return index.samples(config.image_size or PHOTO_SIZE, config.memory)


def _files(source: str) -> list[Path]:
    path = Path(source.removeprefix(PREFIX))
    if path.is_dir():
        found = sorted(path.rglob(f"*{SUFFIX}"))
    elif path.is_file():
        found = [path]
    else:
        found = sorted(map(Path, glob(str(path), recursive=True)))
    if not found:
        raise ValueError(
            f"data.source {source}: there is no {SUFFIX} file; give one, a folder of them, or a "
            "pattern with *"
        )
    return found


def _part(file: Path) -> int:
    words = re.split(r"[^A-Za-z]+", f"{file.stem} {file.parent.name}")
    named = [split_name(word) for word in words if split_name(word) in PARTS]
    return PARTS.index(named[0]) if named else 0


class _Names:
    """Names of samples, as numbers."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.values = array("q")

    def append(self, name: str) -> None:
        """One more sample."""
        self.values.append(self.places.setdefault(name, len(self.places)))

    def numbered(self) -> tuple[Tensor, tuple[str, ...]]:
        """Numbers `(N,)` of the names, and these in their order."""
        names = in_order(self.places)
        number = {name: place for place, name in enumerate(names)}
        of = torch.tensor([number[name] for name in self.places])
        return of[torch.tensor(self.values)], tuple(names)


class _Index:
    """Where every sample of some tar files lies.

    Args:
        source: what the set is called, for messages.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.files: list[Path] = []
        self.labels, self.groups = _Names(), _Names()
        self.where = array("q")  # six a sample: part, file, and where image and mask begin and end
        self.problems: list[str] = []

    def add(self, file: Path) -> None:
        """The samples of a tar file."""
        self.files.append(file)
        try:
            with tarfile.open(file, "r:") as tar:
                members = (one for one in tar if one.isfile() and not _hidden(one.name))
                for key, own in groupby(members, lambda member: _key(member.name)[0]):
                    self._add_sample(tar, key, {_key(member.name)[1]: member for member in own})
        except (tarfile.TarError, OSError) as error:
            raise ValueError(
                f"{self.source}: {file} cannot be read ({error}); give whole tar files that are "
                "not compressed"
            ) from error

    def _add_sample(self, tar: tarfile.TarFile, key: str, members: Members) -> None:
        try:
            image = _first(members, IMAGES)
            if image is None:
                raise ValueError(f"it has no image, only {', '.join(members)}")
            label, group = _told(tar, members)
        except ValueError as error:
            self.problems.append(f"{self.files[-1]}, {key}: {error}")
            return
        self.labels.append(label)
        self.groups.append(group)
        self.where.extend((_part(self.files[-1]), len(self.files) - 1))
        for member in (image, _first(members, MASKS)):
            start, length = (member.offset_data, member.size) if member else (0, 0)
            self.where.extend((start, start + length))

    def samples(self, size: int, memory: int) -> Samples:
        """All of them, in the order of the files.

        Raises:
            ValueError: some cannot be used, or there are none, or only one class.
        """
        if len(self.groups.places) > 1 and "" in self.groups.places:
            self.problems.append("some samples have a group, and some have none")
        if self.problems:
            named = self.problems[:MOST_NAMED]
            more = ["..."] if len(self.problems) > MOST_NAMED else []
            raise ValueError("\n  ".join([f"{self.source} cannot be used:", *named, *more]))
        if not self.where:
            raise ValueError(f"{self.source} has no samples")
        where = torch.tensor(self.where).reshape(-1, 6)
        parts, masked = where[:, 0], where[:, 5] > 0
        labels, class_names = self.labels.numbered()
        if not (parts == 0).any():
            raise ValueError(
                f"{self.source} has no training images: the names of its files or of their folder "
                f"say {', '.join(PARTS[part] for part in parts.unique().tolist())}; name those for "
                "training otherwise"
            )
        check_classes(self.source, class_names, labels, labels[parts == 0])
        self._check_masks(parts, masked)
        samples = Samples(
            self._images(where[:, 1:], size, memory),
            labels,
            class_names,
            parts=parts if parts.any() else None,
            masked=masked if masked.any() and not masked.all() else None,
        )
        attributes, attribute_names = self.groups.numbered()
        if attribute_names == ("",):
            return samples
        return replace(samples, attributes=attributes, attribute_names=attribute_names)

    def _check_masks(self, parts: Tensor, masked: Tensor) -> None:
        for part in parts.unique().tolist():
            own = masked[parts == part]
            if own.any() and not own.all():
                raise ValueError(
                    f"{self.source}: {int((~own).sum())} of {len(own)} samples of the split "
                    f"{PARTS[part]} have no mask ({' or '.join(MASKS)}), though others have: give "
                    "it for all of a split or for none"
                )

    def _images(self, where: Tensor, size: int, memory: int) -> LazyImages:
        has_masks = bool(where[:, 4].any())

        def decode(place: int) -> Tensor:
            number, *spans = where[place].tolist()
            file = self.files[number]
            try:
                pixels, full_size = decode_photo(_read(file, *spans[:2]), size, "the image")
                channels = [pixels]
                if spans[3]:
                    mask = decode_mask(_read(file, *spans[2:]), full_size, "the mask")
                    channels.append(fit_mask(mask, size))
                elif has_masks:  # others have one, but not of this split: nobody will look at it
                    channels.append(0 * pixels[..., :1])
            except (Unusable, OSError) as error:
                name = f"{file}, {_name_at(file, spans[0])}"
                raise ValueError(f"{self.source}, {name}: {error}") from error
            return stacked(channels)

        def decode_batch(places: Sequence[int]) -> Iterator[Tensor]:
            yield from in_threads(decode, places)

        return LazyImages(len(where), size, has_masks, decode_batch, memory)


def _hidden(name: str) -> bool:
    """What a system puts beside files, as macOS does with ._NAME."""
    return name.rpartition("/")[2].startswith(".")


def _key(name: str) -> tuple[str, str]:
    """What the files of a sample share, and the extension of this one."""
    folder, slash, file = name.rpartition("/")
    stem, _, extension = file.partition(".")
    return folder + slash + stem, extension.lower()


def _first(members: Members, extensions: Sequence[str]) -> tarfile.TarInfo | None:
    return next((members[name] for name in extensions if name in members), None)


def _told(tar: tarfile.TarFile, members: Members) -> tuple[str, str]:
    """Class and group of a sample; an empty group where it has none.

    Raises:
        ValueError: there is no class, or the JSON is none.
    """
    facts = json.loads(_text(tar, members["json"])) if "json" in members else {}
    if not isinstance(facts, dict):
        raise ValueError("its .json is no object with names")
    label = _text(tar, members["cls"]).strip() if "cls" in members else facts.get("label")
    if label in (None, ""):
        raise ValueError('it has no class: give it a .cls file, or a "label" in .json')
    group = facts.get("group")
    return str(label), "" if group is None else str(group)


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    found = tar.extractfile(member)
    assert found is not None  # of a member that is a file
    return found.read().decode()


def _read(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def _name_at(path: Path, start: int) -> str:
    """The name of the member whose content begins there: its header is the block before."""
    header = _read(path, start - tarfile.BLOCKSIZE, start)
    return header[:100].rstrip(b"\0").decode(errors="replace")
