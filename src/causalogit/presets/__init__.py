"""Configs by name: the paper's set-ups, small versions that a CPU runs, and one for photos."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from causalogit.config import RunConfig, config_from_dict, config_to_dict
from causalogit.config.check import Section, read_yaml, require_sections

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


def read_config(name: str, base: RunConfig) -> RunConfig:
    """The options of a preset or a YAML file, and those of another config where it has none.

    Raises:
        ValueError: it cannot be read, or an option is not known or does not fit.
    """
    file = preset_path(name) if name in preset_names() else Path(name)
    content = read_yaml(file, name, "a preset")
    require_sections(RunConfig, content, name)
    try:
        return config_from_dict(_laid_over(base, config_to_dict(base), content))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _laid_over(
    section: Section, below: Mapping[str, Any], above: Mapping[str, Any]
) -> dict[str, Any]:
    """Section by section; a mapping that is a value, as of classes, is taken as it is."""
    merged = {
        name: _laid_over(inner, below[name], value)
        if isinstance(inner := getattr(section, name, None), Section)
        else value
        for name, value in above.items()
    }
    return {**below, **merged}


def preset_summary(name: str) -> str:
    """What the comment at the top of a preset says, in one line."""
    lines = preset_path(name).read_text().splitlines()
    return " ".join(line.removeprefix("# ") for line in lines if line.startswith("# "))
