"""Shared by all rooms: one thread, a known random state, `benchmarks` and real data in reach."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from causalogit.masks.download import kept_at
from tests.devices import gpus_by_name_alone

sys.path.append(str(Path(__file__).parents[1]))
torch.set_num_threads(1)

# the same examples everywhere and always, on machines of any speed
settings.register_profile("stable", derandomize=True, deadline=None, database=None)
settings.load_profile("stable")


@pytest.fixture(autouse=True, scope="session")
def same_on_every_machine() -> Iterator[None]:
    """A GPU changes nothing but where a test asks for it."""
    with gpus_by_name_alone():
        yield


@pytest.fixture(autouse=True)
def known_random_state() -> Iterator[None]:
    """Every test begins with seed 0 and leaves no trace in the next one."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real pictures beside the repository; a test that needs them skips where there are none."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the real data in {folder}")
    return folder


@pytest.fixture(scope="session")
def u2netp() -> Path:
    """The real weights, where they were downloaded already; tests never do it."""
    pytest.importorskip("onnxruntime")
    path = kept_at("u2netp.onnx")
    if not path.is_file():
        pytest.skip(f"needs {path}: python -m benchmarks.u2netp gets it")
    return path


@pytest.fixture
def scene() -> Image.Image:
    """A striped ellipse before a gradient, 96 x 80."""
    rows, columns = np.mgrid[:80, :96]
    pixels = np.stack([rows + 60, 255 - columns, rows // 2 + 90], 2).astype(np.uint8)
    on = ((rows - 42) / 24) ** 2 + ((columns - 50) / 30) ** 2 < 1
    pixels[on] = np.stack([200 + columns % 8 * 6, 40 + rows % 4 * 20, 30 + 0 * rows], 2)[on]
    return Image.fromarray(pixels)
