"""Ctrl-C stops a comparison and all of its processes at once; the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

COMMAND = [
    sys.executable, "-W", "ignore", "-m", "causalogit", "compare",
    "--methods", "erm", "--seeds", "0", "1", "2", "3", "--jobs", "2",
    "--data.meta.per_class", "10", "--data.validation_size", "50", "--data.test_size", "4000",
    "--optimizer.epochs", "300",
]  # fmt: skip


def test_ctrl_c(tmp_path):
    # a background job of a shell, as this test may be in, ignores Ctrl-C, and hands that on
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*COMMAND, "--out", tmp_path],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("erm/*/state.ckpt"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, error = process.communicate(timeout=180)
    assert process.returncode == 130
    assert "causalogit: stopped; the same command goes on" in error
    time.sleep(1)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    time.sleep(2)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == written
    assert len(list(tmp_path.glob("erm/*"))) == 2  # no further run was begun


def test_ctrl_c_while_everything_is_imported(tmp_path):
    (tmp_path / "torch.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    stopped = subprocess.run(
        [sys.executable, "-m", "causalogit", "methods"],
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    signal.signal(signal.SIGINT, before)
    assert stopped.returncode == 130
    assert stopped.stderr == "\ncausalogit: stopped before it began\n"
