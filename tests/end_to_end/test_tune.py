"""`tune` killed and gone on with, by two workers at once; then `train` with what it found."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("optuna")

CAUSALOGIT = [sys.executable, "-W", "ignore", "-m", "causalogit"]
TUNE = [
    *CAUSALOGIT, "tune", "--method", "erm", "--trials", "3", "--prune", "false",
    "--data.meta.per_class", "10", "--data.validation_size", "50", "--data.test_size", "4000",
    "--optimizer.epochs", "2", "--space",
    "{optimizer.learning_rate: {low: 1e-3, high: 0.1, log: true}}",
]  # fmt: skip
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def start(command):
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_tune(tmp_path):
    out = tmp_path / "tune"
    killed = start([*TUNE, "--out", out])
    deadline = time.monotonic() + 120
    while not list(out.glob("trials/*/*/state.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, "it ended before it could be killed"
    killed.communicate()

    workers = [start([*TUNE, "--out", out]) for _ in range(2)]
    for worker in workers:
        _, error = worker.communicate(timeout=300)
        assert worker.returncode == 0 or "no trial is complete" in error, error
    last = start([*TUNE, "--out", out])  # nothing is left to be done
    printed, _ = last.communicate(timeout=120)
    assert last.returncode == 0
    assert "3 complete" in printed
    with (out / "trials.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["state"] for line in lines] == ["complete"] * 3
    assert len({line["optimizer.learning_rate"] for line in lines}) == 3
    assert len(list((out / "trials").iterdir())) == 3  # the killed one was gone on with

    said = printed.splitlines()[-1]
    assert said.endswith(
        f"causalogit train --config {out}/best.yaml --seed 1 --out {out}/best/seed-1"
    )
    words = said.split("causalogit train ")[1].split()
    subprocess.run([*CAUSALOGIT, "train", *words], env=ENVIRONMENT, check=True, capture_output=True)
    row = json.loads((out / "best" / "seed-1" / "results.json").read_text())["runs"][0]
    assert row["seed"] == 1
    again = start([*CAUSALOGIT, "tune", "--config", out / "tune.yaml", "--out", out, "--trials=3"])
    assert "3 complete" in again.communicate(timeout=120)[0]
