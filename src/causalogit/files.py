"""Files that are written whole or not at all, and folders that one process has for itself."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from filelock import FileLock, Timeout

_MARK = ".causalogit-"
"""How the name begins of what is not whole yet; a number nobody else has follows."""


def unfinished(folder: Path) -> Path:
    """A new path in a folder, for what is to be moved to its place once it is whole."""
    return folder / f"{_MARK}{uuid4().hex}"


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Give `write` a temporary file beside `path`; put it in place only once it is on the disk.

    Raises:
        OSError: the file cannot be written; what `path` held before is still there, whole.
    """
    # not tempfile: its files are readable by their owner alone, and would stay so
    temporary = unfinished(path.parent)  # names may be of any length
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):  # it would hide the reason
            temporary.unlink(missing_ok=True)
        reason = _of_the_system(error) if isinstance(error, Exception) else None
        if reason is None:
            raise
        raise cannot_write(path, reason) from error


def _of_the_system(error: BaseException | None) -> OSError | None:
    """What the system said: torch.save hides a full disk behind an error of its own."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


_NO_PLACE = (errno.EEXIST, errno.ENOTDIR)
"""What the system says where something else is in the way."""


def cannot_write(path: Path, reason: OSError) -> OSError:
    """An error that says what to do where the system has refused to write to `path`."""
    remedy = (
        "choose another place (--out)"
        if reason.errno in _NO_PLACE
        else "make room or allow writing, then go on with the same command (train: --resume); what "
        "was saved before is still whole"
    )
    return OSError(f"{path} cannot be written ({reason.strerror or reason}): {remedy}")


def sweep(folder: Path, *, below: bool = False) -> None:
    """Remove what a process that was killed had not finished in a folder, and below if told so.

    Only for folders that are this process's alone (`alone_in`): others may be writing elsewhere.
    """
    for leftover in (folder.rglob if below else folder.glob)(f"{_MARK}{'[0-9a-f]' * 32}"):
        leftover.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    write_atomically(path, lambda file: file.write(content))


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: object) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(content, indent=1) + "\n")


LOCK = ".lock"
"""Name of the file that is locked in a folder; it may stay there, and holds nothing."""


@contextmanager
def alone_in(folder: Path, doing: str, name: str = LOCK) -> Iterator[None]:
    """Make a folder and keep other processes out of it, until the end, however this process ends.

    The locked file stays; but a new folder in which nothing else was written is taken away.

    Args:
        folder: which.
        doing: what every process does there, as in "training".
        name: of the file that is locked.

    Raises:
        ValueError: another process has it.
        OSError: it cannot be written to.
    """
    held = FileLock(folder / name)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(
            f"another process is {doing} in {folder}: wait for it, or choose another folder (--out)"
        ) from error
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        yield
    finally:
        with suppress(OSError):  # a folder that is not empty, or gone
            if made and [path.name for path in folder.iterdir()] == [name]:
                (folder / name).unlink()
                for path in made:
                    path.rmdir()
        held.release()


def require_vacant(folder: Path) -> None:
    """Refuse a folder that holds anything but what a killed process has left in it.

    Raises:
        ValueError: it does, or it is a file.
    """
    if folder.is_dir() and all(
        path.name == LOCK or path.name.startswith(_MARK) for path in folder.iterdir()
    ):
        return
    if folder.exists():
        raise ValueError(f"{folder} exists already and is not empty: choose another folder")
