"""A download by a library, or the user's path in place of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def cache_folder() -> Path:
    """Where downloads are kept: $CAUSALOGIT_DATA, or ~/.cache/causalogit."""
    return Path(os.environ.get("CAUSALOGIT_DATA") or Path.home() / ".cache" / "causalogit")


def fetch(load: Callable[[str, bool], T], name: str, path: str | None) -> T:
    """What `load(root, download)` gives, from the user's path or from a download.

    Raises:
        ValueError: the path does not hold the data set, or the download did not work.
    """
    if path is not None:
        try:
            return load(path, False)
        except (RuntimeError, OSError, ValueError, EOFError) as error:
            raise ValueError(
                f"data.path {path} does not hold {name} ({_line(error)}): give the folder that "
                "torchvision downloads into, or leave data.path out to download it"
            ) from error
    root = cache_folder()
    try:
        return load(str(root), True)
    except (RuntimeError, OSError, ValueError, EOFError) as error:
        raise ValueError(
            f"{name} could not be downloaded to {root} ({_line(error)}): give data.path, a folder "
            "that has it already"
        ) from error


def _line(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())
