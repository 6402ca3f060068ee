"""What every section says of a value that does not fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, cast, get_args, get_type_hints

import yaml


def require(condition: bool, message: str) -> None:
    """Refuse a value.

    Raises:
        ValueError: the condition does not hold; the message says what was given and what to give.
    """
    if not condition:
        raise ValueError(message)


def require_normalisation(section: str, mean: Sequence[float], std: Sequence[float]) -> None:
    """Refuse a mean without its std, or one that cannot be divided by.

    Args:
        section: of the config, with its dot.
        mean: of the channels.
        std: of the channels.

    Raises:
        ValueError: they do not go together.
    """
    require(
        len(mean) == len(std) and all(value > 0 for value in std),
        f"{section}mean is {list(mean)} and {section}std {list(std)}: give both, one positive std "
        "for each channel, or none",
    )


def require_seed(name: str, seed: int | None) -> None:
    """Refuse a seed that cannot be added to others.

    Args:
        name: of the field.
        seed: its value; None is for none of its own.

    Raises:
        ValueError: it is negative or too large.
    """
    require(
        seed is None or 0 <= seed < 2**62,
        f"{name} is {seed}: give a number from 0 to below 2**62",
    )


def read_yaml(file: Path, name: str, otherwise: str) -> Any:
    """What a YAML file holds.

    Args:
        file: where it lies.
        name: what messages call it.
        otherwise: what may be given in place of such a file.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"{name} cannot be read ({error.strerror}): give a YAML file, or {otherwise}"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{name} is not a YAML file: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())[:200]


@dataclass(frozen=True)  # the parser flattens dataclasses whose bases are dataclasses, too
class Section:
    """A part of a config; refuses what the parser lets through whatever a field's type is.

    Args:
        prefix: of its fields' names, with its dot.
        unlimited: fields that may be infinite.
    """

    prefix = ""  # an annotation here would hide those of the sections from the parser
    unlimited = tuple[str, ...]()

    def __init_subclass__(
        cls, prefix: str = "", unlimited: tuple[str, ...] = (), **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        cls.prefix, cls.unlimited = prefix, unlimited

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, nullable in _nullable(kind).items():
            value, where = getattr(self, name), f"{self.prefix}{name}"
            require(
                nullable or value is not None,
                f"{where} is null: give a value, or leave it out for its default",
            )
            require(
                not isinstance(value, dict) or all(isinstance(key, str) for key in value),
                f"{where} has a name that is no text: put numbers in quotes",
            )
            for number in value if isinstance(value, tuple) else (value,):
                require(
                    not isinstance(number, float) or not math.isnan(number),
                    f"{where} is nan: give a number",
                )
                require(
                    not isinstance(number, float)
                    or not math.isinf(number)
                    or name in self.unlimited,
                    f"{where} is infinite: give a number",
                )
                # one of more than 4300 digits cannot even be told
                require(
                    not isinstance(number, int) or abs(number) < 2**63,
                    f"{where} is beyond 2**63: give a smaller number",
                )


@cache
def _nullable(kind: Any) -> dict[str, bool]:
    """Whether a field of a section may be null."""
    hints = get_type_hints(kind)
    return {own.name: NoneType in get_args(hints[own.name]) for own in fields(kind)}


def require_sections(
    kind: type[Section], content: object, name: str = "config", *, files: bool = False
) -> None:
    """Refuse what is no mapping in the place of a section: the parser would take its defaults.

    Args:
        kind: of the section.
        content: in its place.
        name: of the section.
        files: whether the name of a file may stand for a section.

    Raises:
        ValueError: there is such a place.
    """
    if files and isinstance(content, str):
        return
    require(
        isinstance(content, Mapping),
        f"{name} is no section of options: give a mapping, as in {{{fields(kind)[0].name}: ...}}",
    )
    for inner, hint in get_type_hints(kind).items():
        if isinstance(hint, type) and issubclass(hint, Section) and inner in cast(Any, content):
            require_sections(hint, cast(Any, content)[inner], inner, files=files)
