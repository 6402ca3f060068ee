"""What every section says of a value that does not fit."""

from __future__ import annotations

from collections.abc import Sequence


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


def one_line(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())[:200]
