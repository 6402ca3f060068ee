"""From records to samples: every row is checked first."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from causalogit.data.samples import PARTS, Samples
from causalogit.data.sources.classes import in_order
from causalogit.data.sources.files.check import (
    copies,
    file_problems,
    missing_files,
    refuse,
    row_problems,
)
from causalogit.data.sources.files.photos import Photos
from causalogit.data.sources.files.record import Record

_logger = logging.getLogger(__name__)


def samples_from_records(
    records: Sequence[Record],
    *,
    source: str,
    size: int,
    memory: int = 2048,
    decode: bool = True,
    class_names: Sequence[str] | None = None,
    attribute_names: Sequence[str] | None = None,
    object_name: str = "object",
) -> Samples:
    """Samples whose photos are read lazily, once all records are found to be in order.

    Of photos that are there twice in one split, byte for byte, only the first is used: copies
    could end up in two splits when parts are carved out of it.

    Args:
        records: N photos.
        source: their common name, for messages.
        size: pixels of a side.
        memory: MiB of decoded photos that are kept, see `LazyImages`.
        decode: decode every photo and mask for the check (what it gives is kept, where there is
            room); otherwise look only whether all files exist.
        class_names: in the order of the labels' numbers; None for those of the training rows,
            sorted.
        attribute_names: likewise, of the groups.
        object_name: what a photo shows, as one word.

    Raises:
        ValueError: rows cannot be used (all of them in one message), or there are fewer than two
            classes.
    """
    names = (
        None if class_names is None else tuple(class_names),
        None if attribute_names is None else tuple(attribute_names),
    )
    stamps = tuple(record.stamp for record in records) if decode else ()
    check = _checked if decode else _checked.__wrapped__
    return check(tuple(records), stamps, source, size, memory, decode, *names, object_name)


@lru_cache(maxsize=1)  # the runs of a study share what was decoded
def _checked(
    records: tuple[Record, ...],
    stamps: tuple[object, ...],
    source: str,
    size: int,
    memory: int,
    decode: bool,
    class_names: tuple[str, ...] | None,
    attribute_names: tuple[str, ...] | None,
    object_name: str,
) -> Samples:
    if not records:
        raise ValueError(f"{source} has no images")
    photos = Photos(records, size, memory)
    problems = row_problems(records, class_names)
    found, digests = file_problems(photos) if decode else missing_files(records)
    twice, again = copies(records, digests)
    refuse(records, problems + found + twice, source)
    if class_names is None:
        class_names = tuple(in_order({record.label for record in records}))
    if len(class_names) < 2:
        raise ValueError(f"{source} has one class, '{class_names[0]}': give at least two")
    samples = Samples(
        photos,
        _numbers((record.label for record in records), class_names),
        class_names,
        object_name=object_name,
        parts=_parts(records),
        masked=_masked(records),
        **_attributes(records, attribute_names),
    )
    return samples.take(_without(again, records, source)) if again else samples


def _without(again: Sequence[int], records: Sequence[Record], source: str) -> Tensor:
    """Places of all photos but the copies."""
    _logger.warning(
        "%s: left out as copies of others, byte for byte: %d (the first: %s)",
        source,
        len(again),
        records[again[0]].where,
    )
    kept = torch.ones(len(records), dtype=torch.bool)
    kept[again] = False
    return kept.nonzero().squeeze(1)


def _attributes(records: Sequence[Record], names: Sequence[str] | None) -> dict[str, Any]:
    groups = [record.group for record in records if record.group is not None]
    if not groups:
        return {}
    names = in_order(set(groups)) if names is None else names
    return {"attributes": _numbers(groups, names), "attribute_names": tuple(names)}


def _parts(records: Sequence[Record]) -> Tensor | None:
    splits = [record.split for record in records if record.split is not None]
    if not splits:
        return None
    return _numbers(splits, PARTS)


def _masked(records: Sequence[Record]) -> Tensor | None:
    """Which photos have masks, where some have and some have not."""
    masked = torch.tensor([record.masked for record in records])
    return masked if masked.any() and not masked.all() else None


def _numbers(values: Iterable[str], names: Sequence[str]) -> Tensor:
    place = {name: number for number, name in enumerate(names)}
    return torch.tensor([place[value] for value in values])
