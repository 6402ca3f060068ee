"""Configs by name: the paper's set-ups, small versions that a CPU runs, and one for photos."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from causalogit.config import RunConfig, config_from_dict

_FOLDER = Path(__file__).parent


@cache
def preset_names() -> tuple[str, ...]:
    """All names, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def preset_path(name: str) -> Path:
    """The file of a preset.

    Raises:
        ValueError: no preset has this name.
    """
    if name not in preset_names():
        raise ValueError(f"preset '{name}' is not known: choose among {', '.join(preset_names())}")
    return _FOLDER / f"{name}.yaml"


def load_preset(name: str) -> RunConfig:
    """The config of a preset.

    Raises:
        ValueError: no preset has this name.
    """
    return config_from_dict(yaml.safe_load(preset_path(name).read_text()))


def preset_summary(name: str) -> str:
    """What the comment at the top of a preset says, in one line."""
    lines = preset_path(name).read_text().splitlines()
    return " ".join(line.removeprefix("# ") for line in lines if line.startswith("# "))
