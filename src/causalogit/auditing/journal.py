"""What an audit has measured so far, batch by batch, so that it goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from safetensors.torch import load, save
from torch import Tensor

from causalogit.files import LOCK, alone_in, sweep

Rows = dict[str, Tensor]
OnStep = Callable[[str, int, int], None]
"""Told the stage, the photos done and the photos in all."""

_HEAD = struct.Struct("<Q16s")  # length and digest of the record that follows


class Journal:
    """Results of batches, appended to a file; of one cut off in the middle the rest is kept.

    Args:
        path: the file; None keeps everything in memory alone.
        key: what the results depend on; a file of another key begins anew.

    Raises:
        ValueError: another process has the file, until it leaves its `with` block or ends.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path | None, key: Mapping[str, object]) -> None:
        self._path = path
        self._known: dict[str, Rows] = {}
        self._alone = ExitStack()
        if path is None:
            return
        alone = alone_in(path.parent, "auditing", f".{path.name}.lock")
        self._alone.enter_context(alone)
        if not (path.parent / LOCK).exists():  # else another command may be writing there
            sweep(path.parent)
        head = json.dumps(key, sort_keys=True).encode()
        end = self._replay(path, head) if path.is_file() else 0
        if end:
            os.truncate(path, end)  # a record that was being written when the audit stopped
        else:
            with path.open("wb") as file:
                file.write(_framed(head))

    def rows(
        self,
        stage: str,
        places: Tensor,
        batch_size: int,
        measure: Callable[[Tensor], Rows],
        on_step: OnStep | None = None,
    ) -> Rows:
        """What `measure` gives for `places` `(N,)`, in batches; what is known is not measured anew.

        Args:
            stage: a name for these measurements.
            places: of the photos.
            batch_size: photos in a batch.
            measure: from places `(B,)` to named results `(B, ...)`.
            on_step: told how far it is.

        Returns:
            The named results `(N, ...)`.
        """
        # in place: small tensors that stayed would hold on to the memory that photos had between
        found: Rows = {}
        done = 0
        for number, some in enumerate(places.split(batch_size)):
            name = f"{stage}/{number}"
            if name not in self._known:
                self._append(name, measure(some))
            for field, values in self._known.pop(name).items():
                if field not in found:
                    found[field] = values.new_empty((len(places), *values.shape[1:]))
                found[field][done : done + len(some)] = values
            done += len(some)
            if on_step is not None:
                on_step(stage, done, len(places))
        return found

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *raised: object) -> None:
        self._alone.close()

    def _append(self, name: str, rows: Rows) -> None:
        self._known[name] = rows
        if self._path is not None:
            record = save({k: v.contiguous() for k, v in rows.items()}, {"name": name})
            with self._path.open("ab") as file:
                file.write(_framed(record))
                file.flush()
                os.fsync(file.fileno())

    def _replay(self, path: Path, head: bytes) -> int:
        """Take in all whole records; gives where they end, 0 for a file of another key."""
        with path.open("rb") as file:
            if _next(file) != head:
                return 0
            end = file.tell()
            while (record := _next(file)) is not None:
                (size,) = struct.unpack_from("<Q", record)
                name = json.loads(record[8 : 8 + size])["__metadata__"]["name"]
                self._known[name] = load(record)
                end = file.tell()
        return end


def key_of(path: Path) -> dict[str, object] | None:
    """The key of a journal; None where there is no file, or a damaged one."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = _next(file)
    if head is None:
        return None
    try:
        key = json.loads(head)
    except ValueError:
        return None
    return key if isinstance(key, dict) else None


def _framed(record: bytes) -> bytes:
    return _HEAD.pack(len(record), _digest(record)) + record


def _next(file: IO[bytes]) -> bytes | None:
    """The next record; None where there is no other whole one."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    size, digest = _HEAD.unpack(head)
    if size > os.fstat(file.fileno()).st_size - file.tell():
        return None  # also where a damaged length is beyond all memory
    record = file.read(size)
    return record if _digest(record) == digest else None


def _digest(record: bytes) -> bytes:
    return hashlib.blake2b(record, digest_size=16).digest()
