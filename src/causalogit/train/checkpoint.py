"""Checkpoints: written whole or not at all, and read without running code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import torch

ANEW = "begin a new run in another folder (--out)"
"""What to do where a run's own files are lost."""

OURS = "give a .ckpt file that a run has written, as its last.ckpt"
"""What to do where a file is none of ours."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Give `write` a temporary file beside `path`; put it in place only once it is on the disk.

    Raises:
        OSError: the file cannot be written; what `path` held before is still there, whole.
    """
    # not tempfile: its files are readable by their owner alone, and would stay so
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
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


def cannot_write(path: Path, reason: OSError) -> OSError:
    """An error that says what to do where the system has refused to write to `path`."""
    return OSError(
        f"{path} cannot be written ({reason.strerror or reason}): make room or allow writing, "
        "then go on with the same command (train: --resume); what was saved before is still whole"
    )


def sweep(folder: Path) -> None:
    """Remove the temporary files of a process that was killed while it wrote into `folder`."""
    for leftover in folder.glob(f".*.{'[0-9a-f]' * 32}"):
        leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: object) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint atomically."""
    write_atomically(path, lambda file: torch.save(state, file))


def load_checkpoint(path: Path, remedy: str = OURS) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, as data only (`weights_only`).

    Args:
        path: of the file.
        remedy: what to do where it cannot be read.

    Raises:
        ValueError: there is no such file, or it is not a checkpoint of ours.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such checkpoint: {remedy}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{path} is not a checkpoint that can be read safely ({type(error).__name__}): it is "
            f"truncated, holds code, or comes from elsewhere: {remedy}"
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(state.get(part), Mapping) for part in ("model", "config")
    ):
        raise ValueError(
            f"{path} is not a checkpoint of causalogit: it has no model and config: {remedy}"
        )
    return state
