"""SIGKILL at a random moment: a resumed run is as if undisturbed, and no worker lives on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import torch
from filelock import FileLock

from causalogit.files import LOCK
from causalogit.train.checkpoint import load_checkpoint

COMMAND = [
    sys.executable, "-W", "ignore", "-m", "causalogit", "train", "--method", "clp",
    "--data.meta.per_class", "10", "--data.validation_size", "50", "--data.test_size", "4000",
    "--optimizer.epochs", "4", "--checkpoint_every", "5", "--clp.meta_batch_size", "8",
]  # fmt: skip
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def weights(folder):
    return load_checkpoint(folder / "last.ckpt")["model"]


def test_sigkill_and_resume(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    subprocess.run([*COMMAND, "--out", whole], env=ENVIRONMENT, check=True, capture_output=True)
    process = subprocess.Popen(
        [*COMMAND, "--out", cut],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (cut / "state.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    wait = random.random()
    time.sleep(wait)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert not (cut / "results.json").exists()
    state = load_checkpoint(cut / "state.ckpt")
    print(f"killed {wait:.2f} s after the first checkpoint, in epoch {state['epoch']}")
    subprocess.run(
        [*COMMAND, "--out", cut, "--resume"], env=ENVIRONMENT, check=True, capture_output=True
    )
    expected, resumed = weights(whole), weights(cut)
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)


def test_the_workers_of_a_killed_comparison_end_and_let_go_of_their_folders(tmp_path):
    command = [*COMMAND, "--out", tmp_path, "--seeds", "0", "--jobs", "1"]
    command[command.index("train")] = "compare"
    command[command.index("--method")] = "--methods"
    command[command.index("--optimizer.epochs") + 1] = "3000"
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    run = tmp_path / "clp" / "seed-0"
    deadline = time.monotonic() + 120
    while not (run / "state.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the comparison ended before it could be killed"
    with FileLock(run / LOCK).acquire(timeout=20):
        load_checkpoint(run / "state.ckpt")
