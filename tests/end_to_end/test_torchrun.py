"""`torchrun` starts one run in two processes, of which one talks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

COMMAND = [
    sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
    "--no_python", sys.executable, "-W", "ignore", "-m", "causalogit", "train",
    "--method", "clp", "--data.largest_class", "10", "--data.validation_size", "50",
    "--data.test_size", "50", "--optimizer.epochs", "1", "--optimizer.batch_size", "20",
]  # fmt: skip


def test_torchrun(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--out", tmp_path / "run"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("kept in") == 1
    assert json.loads((tmp_path / "run" / "results.json").read_text())["runs"][0]["method"] == "clp"
