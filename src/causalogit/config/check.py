"""What every section says of a value that does not fit."""

from __future__ import annotations


def require(condition: bool, message: str) -> None:
    """Refuse a value.

    Raises:
        ValueError: the condition does not hold; the message says what was given and what to give.
    """
    if not condition:
        raise ValueError(message)
