"""Weights and pictures for masks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.masks.nets import write_brightness_model


@pytest.fixture(scope="session")
def brightness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime")
    return write_brightness_model(tmp_path_factory.mktemp("nets") / "brightness.onnx")
