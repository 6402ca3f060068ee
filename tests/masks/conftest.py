"""Weights and pictures for masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.masks.nets import write_brightness_model


@pytest.fixture(scope="session")
def brightness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime")
    return write_brightness_model(tmp_path_factory.mktemp("nets") / "brightness.onnx")


@pytest.fixture
def scene() -> Image.Image:
    """A striped ellipse before a gradient, 96 x 80."""
    rows, columns = np.mgrid[:80, :96]
    pixels = np.stack([rows + 60, 255 - columns, rows // 2 + 90], 2).astype(np.uint8)
    on = ((rows - 42) / 24) ** 2 + ((columns - 50) / 30) ** 2 < 1
    pixels[on] = np.stack([200 + columns % 8 * 6, 40 + rows % 4 * 20, 30 + 0 * rows], 2)[on]
    return Image.fromarray(pixels)
