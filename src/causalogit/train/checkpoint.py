"""Checkpoints: written whole or not at all, and read without running code that they hold.

They may name a function of the user's that builds the network (`--model module:function`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from causalogit.data import Data
from causalogit.files import write_atomically

ANEW = "begin a new run in another folder (--out)"
"""What to do where a run's own files are lost."""

OURS = "give a .ckpt file that a run has written, as its last.ckpt"
"""What to do where a file is none of ours."""


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


def check_same_data(state: Mapping[str, Any], data: Data, path: Path) -> None:
    """Whether a checkpoint's data is still what its run was trained on.

    Otherwise training images would be among those of the test, or outputs be called by the names of
    other classes. Files of older versions do not tell.

    Raises:
        ValueError: classes or splits have changed since.
    """
    names = state.get("class_names")
    if names is not None and tuple(names) != data.class_names:
        raise ValueError(
            f"{path} was trained on the classes {_some(names)}, and its data has "
            f"{_some(data.class_names)} now: give back the old names, or give the photos as "
            "data.source where the command has it"
        )
    if state.get("data", data.fingerprint) != data.fingerprint:
        raise ValueError(
            f"{path} was trained on other images: {data.name} has changed since (images were "
            "added, removed, renamed or labelled otherwise), so that its splits are others and "
            "training images would be tested on: restore it, or begin a new run in another folder"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
