"""Four times as many photos need no more memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.data.masking.conftest import disc

MEASURE = """
import resource, sys, torch
from pathlib import Path
from causalogit.data.masking import MasksConfig, make_masks
torch.set_num_threads(1)
make_masks(MasksConfig(sys.argv[1], segmenter=sys.argv[2]), Path(sys.argv[3]))
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_photos(tmp_path, net):
    photo, _ = disc(224, 224)
    peaks = []
    for count in (500, 2000):
        for name in ("cat", "dog"):
            folder = tmp_path / str(count) / name
            folder.mkdir(parents=True)
            photo.save(folder / "first.jpg")
            for index in range(count // 2 - 1):
                (folder / f"{index}.jpg").symlink_to("first.jpg")
        command = [MEASURE, tmp_path / str(count), net, tmp_path / f"masks{count}"]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", *map(str, command)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            text=True,
        )
        peaks.append(int(done.stdout))
    # 1,500 photos more are 226 MB of pixels, 75 MB of masks
    assert peaks[1] - peaks[0] < 30e6, peaks
