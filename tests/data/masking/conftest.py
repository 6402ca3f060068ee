"""Photos of bright discs in the dark, and a segmenter that finds what is bright."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.masks.nets import write_brightness_model

DRAWS = np.random.default_rng(0)


def disc(width: int = 48, height: int = 40) -> tuple[Image.Image, np.ndarray]:
    """A photo, and where its object is, `(H, W)`."""
    row, column = height * DRAWS.uniform(0.4, 0.6), width * DRAWS.uniform(0.4, 0.6)
    rows, columns = np.mgrid[:height, :width]
    on = np.hypot(rows - row, columns - column) < min(width, height) / 4
    pixels = DRAWS.integers(0, 60, (height, width, 3))
    pixels[on] += 180
    return Image.fromarray(pixels.astype(np.uint8)), on


@pytest.fixture
def net(tmp_path: Path) -> str:
    pytest.importorskip("onnxruntime")
    return str(write_brightness_model(tmp_path / "net.onnx"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., np.ndarray]:
    """Writes a photo below `tmp_path`, and tells where its object is."""

    def one(name: str, width: int = 48, height: int = 40) -> np.ndarray:
        photo, on = disc(width, height)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.save(path)
        return on

    return one


def overlap(path: Path, on: np.ndarray) -> float:
    """Of a mask file and the object."""
    with Image.open(path) as mask:
        assert mask.mode == "L"
        found = np.asarray(mask) > 127
    return float((found & on).sum() / (found | on).sum())


def origin_of(path: Path) -> str:
    with Image.open(path) as mask:
        return str(mask.info["origin"])
