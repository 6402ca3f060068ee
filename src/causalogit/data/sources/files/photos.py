"""Images that are decoded when they are read, and kept while all of them fit in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from causalogit.data.images import Images, Joined, Pixels, Taken, as_float
from causalogit.data.sources.files.decode import Decoded, Unusable, decode
from causalogit.data.sources.files.record import Record

T = TypeVar("T")
R = TypeVar("R")


class LazyImages:
    """Square images, decoded in batches when they are read.

    Args:
        count: N.
        size: pixels of a side.
        has_masks: whether `decode_batch` gives masks.
        decode_batch: 8-bit pixels `(3, size, size)` of the images at these places, with the mask as
            a fourth channel, if any; in this order.
        memory: MiB of 8-bit pixels that are kept; a set that needs more is decoded at every read.
    """

    def __init__(
        self,
        count: int,
        size: int,
        has_masks: bool,
        decode_batch: Callable[[Sequence[int]], Iterable[Tensor]],
        memory: int = 2048,
    ) -> None:
        self._shape = (3 + has_masks, size, size)
        self._count = count
        self._decode_batch = decode_batch
        self._known = torch.zeros(count, dtype=torch.bool)
        self._kept: Tensor | None = None
        if count * self._shape[0] * size * size <= memory * 2**20:
            self._kept = torch.empty(count, *self._shape, dtype=torch.uint8)

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(3, size, size)`."""
        return (3, *self._shape[1:])

    @property
    def has_masks(self) -> bool:
        """Whether there are masks."""
        return self._shape[0] == 4

    @property
    def keeps(self) -> bool:
        """Whether an image is decoded only once."""
        return self._kept is not None

    def __len__(self) -> int:
        return self._count

    def keep(self, place: int, pixels: Tensor) -> None:
        """Remember what was decoded already, where there is room."""
        if self._kept is not None:
            self._kept[place] = pixels
            self._known[place] = True

    def read(self, index: Tensor) -> Pixels:
        """Images and masks at `index`."""
        if self._kept is None:
            pixels = torch.empty(len(index), *self._shape, dtype=torch.uint8)
            for row, decoded in enumerate(self._decode_batch(index.tolist())):
                pixels[row] = decoded
        else:
            missing = index[~self._known[index]].unique().tolist()
            for place, decoded in zip(missing, self._decode_batch(missing), strict=True):
                self.keep(place, decoded)
            pixels = self._kept[index]
        return as_float(pixels[:, :3]), as_float(pixels[:, 3:]) if self.has_masks else None


class Photos(LazyImages):
    """The photos of records; a file that cannot be used is a ValueError that names it."""

    def __init__(self, records: Sequence[Record], size: int, memory: int = 2048) -> None:
        has_masks = any(record.masked for record in records)
        super().__init__(len(records), size, has_masks, self._read_files, memory)
        self.records = records

    def look(self) -> Iterator[Decoded | Unusable]:
        """Decode every photo once, in order, and keep the pixels where there is room."""
        for place, found in enumerate(in_threads(self._attempt, range(len(self)))):
            if isinstance(found, Decoded):
                self.keep(place, found.pixels)
            yield found

    def _attempt(self, place: int) -> Decoded | Unusable:
        try:
            return decode(self.records[place], self.shape[1], with_mask=self.has_masks)
        except Unusable as error:
            return error

    def _read_files(self, places: Sequence[int]) -> Iterator[Tensor]:
        for place, found in zip(places, in_threads(self._attempt, places), strict=True):
            if isinstance(found, Unusable):
                raise ValueError(f"{self.records[place].where}: {found}") from found
            yield found.pixels


def records_of(images: Images) -> list[Record] | None:
    """What is known of the files of images, one by one; None of images that come from no files."""
    if isinstance(images, Photos):
        return list(images.records)
    if isinstance(images, Joined):
        first, second = records_of(images.first), records_of(images.second)
        return None if first is None or second is None else first + second
    base: Images | None = getattr(images, "base", None)
    records = None if base is None else records_of(base)
    if records is not None and isinstance(images, Taken):
        return [records[place] for place in images.places.tolist()]
    return records


def in_threads(work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """`map` over a pool of threads, a few hundred items ahead at most; results keep their order."""
    if len(items) < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(items), 256):
            yield from pool.map(work, items[start : start + 256])
