"""Small photos, every one different, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Write = Callable[..., Path]


@pytest.fixture
def photo(tmp_path: Path) -> Write:
    """Writes noise of any size to a path below `tmp_path`; every call gives another picture."""
    draws = np.random.default_rng(0)

    def write(name: str, width: int = 12, height: int = 10, mode: str = "RGB") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (height, width, 3) if mode == "RGB" else (height, width)
        pixels = draws.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write
