"""Everything that can be wrong with records, found before training and told at once."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from causalogit.data.samples import PARTS
from causalogit.data.sources.files.decode import OBJECT, Unusable
from causalogit.data.sources.files.photos import Photos, in_threads
from causalogit.data.sources.files.record import Record

_logger = logging.getLogger(__name__)

Problems = list[tuple[int, str]]
"""Places of records, each with what is wrong there."""

_TOLD = 20


def row_problems(records: Sequence[Record], class_names: Sequence[str] | None) -> Problems:
    """What is wrong with the rows themselves; no file is touched.

    Args:
        records: the rows.
        class_names: all labels that may occur; None for those of the training rows, if any.
    """
    known = set(class_names) if class_names is not None else _training_labels(records)
    some_split = any(record.split for record in records)
    some_group = any(record.group for record in records)
    masked_splits = {record.split for record in records if record.masked}
    problems: Problems = []
    for place, record in enumerate(records):
        missing = []
        if some_split and not record.split:
            missing.append("split, though others have: give it for all or for none")
        if some_group and not record.group:
            missing.append("group, though others have: give it for all or for none")
        if record.split in masked_splits and not record.masked:
            missing.append(
                "mask or box, though others have: give it for all of a split or for none"
            )
        if record.problem is not None:
            problems.append((place, record.problem))
            continue
        if not record.label:
            problems.append((place, "the label is empty"))
        elif record.label not in known:
            name = f"the label '{record.label}'"
            unknown = (
                f"no training image has {name}" if class_names is None else f"{name} is not a class"
            )
            problems.append((place, unknown))
        if record.split and record.split not in PARTS:
            problems.append(
                (place, f"the split '{record.split}' is not known: choose among {', '.join(PARTS)}")
            )
        problems += [(place, f"has no {what}") for what in missing]
    return problems


def _training_labels(records: Sequence[Record]) -> set[str]:
    """Labels of training rows; of all rows where none trains: such a set can only be tested on."""
    trained = {record.label for record in records if record.split in (None, "train")}
    return trained or {record.label for record in records}


def file_problems(photos: Photos) -> tuple[Problems, list[bytes | str]]:
    """Decode every photo and mask: what is wrong, and a digest of every photo's bytes.

    Masks that leave no background in half of the photos are not refused, but told of.
    """
    problems: Problems = []
    masked = whole = 0
    digests: list[bytes | str] = []
    for place, found in enumerate(photos.look()):
        if isinstance(found, Unusable):
            problems.append((place, str(found)))
            digests.append(str(photos.records[place].image))
        else:
            digests.append(found.digest)
            if photos.records[place].masked:
                masked += 1
                whole += bool(found.pixels[3].min() >= OBJECT)
    if 2 * whole > masked:
        _logger.warning(
            "the masks of %d of %d photos leave no background: a mask is white on the object and "
            "black beside it",
            whole,
            masked,
        )
    return problems, digests


def missing_files(records: Sequence[Record]) -> tuple[Problems, list[bytes | str]]:
    """The same for sets too large to be decoded twice: which files are missing, and all paths."""
    files = [file for record in records for file in (record.image, record.mask) if file]
    exist = dict(zip(files, in_threads(os.path.isfile, files), strict=True))
    problems = [
        (place, f"{file} does not exist")
        for place, record in enumerate(records)
        for file in (record.image, record.mask)
        if file and not exist[file]
    ]
    return problems, [str(record.image) for record in records]


def copies(records: Sequence[Record], digests: Sequence[bytes | str]) -> tuple[Problems, list[int]]:
    """Photos that are there twice: in two splits or groups (a problem), or in one (its places)."""
    first: dict[bytes | str, int] = {}
    problems: Problems = []
    again: list[int] = []
    for place, (record, digest) in enumerate(zip(records, digests, strict=True)):
        other = records[first.setdefault(digest, place)]
        if other is record:
            continue
        same = f"is the same image as {other.where}"
        if record.split != other.split:
            problems.append((place, f"{same}, but in {record.split}, not in {other.split}"))
        elif record.label != other.label:
            problems.append((place, f"{same}, but labelled '{record.label}', not '{other.label}'"))
        elif record.group != other.group:
            problems.append((place, f"{same}, but in group '{record.group}', not '{other.group}'"))
        else:
            again.append(place)
    return problems, again


def refuse(records: Sequence[Record], problems: Problems, source: str) -> None:
    """Raise one error for all problems, in the order of the records.

    Raises:
        ValueError: there are problems.
    """
    if not problems:
        return
    # a row that could not be understood has nothing else to say
    broken = {place for place, record in enumerate(records) if record.problem is not None}
    problems = [(p, what) for p, what in problems if p not in broken or what == records[p].problem]
    rows = len({place for place, _ in problems})
    lines = [
        f"{records[place].where}: {what}" for place, what in sorted(problems, key=lambda p: p[0])
    ]
    if len(lines) > _TOLD:
        lines[_TOLD:] = [f"and {len(lines) - _TOLD} more"]
    if any(what == f"{records[place].mask} does not exist" for place, what in problems):
        lines.append("masks that are missing: `causalogit masks --mask_path` makes them")
    told = "\n  ".join(lines)
    raise ValueError(f"{source}: {rows} of {len(records)} images cannot be used\n  {told}")
