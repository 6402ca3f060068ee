"""A config that trains in a second or two."""

from __future__ import annotations

from tests.train.conftest import tiny

__all__ = ["tiny"]
