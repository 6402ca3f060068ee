"""A study's file: of a full disk or a kill it loses no more than its last line."""

from __future__ import annotations

import errno
import json
import os

import pytest

from causalogit.config import OptimizerConfig
from causalogit.tuning import tune

pytest.importorskip("optuna")

from causalogit.tuning.journal import WholeLines

SPACE = {"optimizer.learning_rate": {"low": 0.001, "high": 0.1, "log": True}}


def test_a_torn_line_costs_no_more_than_its_event(tmp_path):
    journal = WholeLines(tmp_path / "log")
    journal.append_logs([{"number": 0}, {"number": 1}])
    os.truncate(tmp_path / "log", (tmp_path / "log").stat().st_size - 5)
    journal = WholeLines(tmp_path / "log")
    assert list(journal.read_logs(0)) == [{"number": 0}]
    journal.append_logs([{"number": 2}])
    assert list(WholeLines(tmp_path / "log").read_logs(0)) == [{"number": 0}, {"number": 2}]


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    journal = WholeLines(tmp_path / "log")
    journal.append_logs([{"number": 0}])
    before = (tmp_path / "log").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.append_logs([{"number": 1}])
    assert (tmp_path / "log").read_bytes() == before
    journal.append_logs([{"number": 2}])
    assert list(journal.read_logs(0)) == [{"number": 0}, {"number": 2}]


def test_a_search_goes_on_behind_a_torn_line(tiny, tmp_path):
    config = tiny(method="erm", optimizer=OptimizerConfig(epochs=1))
    tune(config, SPACE, tmp_path, trials=1)
    log = tmp_path / "study.log"
    os.truncate(log, log.stat().st_size - 20)
    tuned = tune(config, SPACE, tmp_path, trials=2)
    assert len(tuned.trials) == 2
    assert all(json.loads(line) for line in log.read_text().splitlines())


def test_a_damaged_file_is_named(tiny, tmp_path):
    config = tiny(method="erm", optimizer=OptimizerConfig(epochs=1))
    tune(config, SPACE, tmp_path, trials=1)
    log = tmp_path / "study.log"
    log.write_text("rubbish\n" + log.read_text())
    with pytest.raises(ValueError, match=r"study\.log is damaged .*: put it right, or choose"):
        tune(config, SPACE, tmp_path, trials=2)
