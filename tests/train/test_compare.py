"""Methods times seeds in processes."""

from __future__ import annotations

import json

import pytest

from causalogit.config import ClpConfig
from causalogit.train import compare
from causalogit.train.compare import run_folder


def results(folder):
    return json.loads((folder / "results.json").read_text())["runs"]


def test_compare_runs_all_and_keeps_what_is_there(tiny, tmp_path):
    told = {}
    rows = compare(
        tiny(), ["erm", "clp"], [0, 1], tmp_path, jobs=2,
        on_progress=lambda run, done, total: told.__setitem__(run, (done, total)),
    )  # fmt: skip
    assert [(row["method"], row["seed"]) for row in rows] == [
        ("erm", 0), ("erm", 1), ("clp", 0), ("clp", 1),
    ]  # fmt: skip
    assert results(tmp_path) == rows
    assert set(told) == {"erm, seed 0", "erm, seed 1", "clp, seed 0", "clp, seed 1"}
    marker = run_folder(tmp_path, "erm", 0) / "metrics.csv"
    written = marker.stat().st_mtime_ns
    again = compare(tiny(), ["erm", "erm"], [0, 1, 1], tmp_path, jobs=1)
    assert again == rows[:2]
    assert marker.stat().st_mtime_ns == written


def test_wrong_requests(tiny, tmp_path):
    with pytest.raises(ValueError, match="method 'nope' is not known"):
        compare(tiny(), ["erm", "nope"], [0], tmp_path)
    with pytest.raises(ValueError, match="at least one method and one seed"):
        compare(tiny(), [], [0], tmp_path)
    with pytest.raises(ValueError, match="--jobs is -1: give a number of processes"):
        compare(tiny(), ["erm"], [0], tmp_path, jobs=-1)
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_is_named_when_the_others_are_done(tiny, tmp_path):
    config = tiny(clp=ClpConfig(without=("los",)))  # of no concern to ERM
    with pytest.raises(ValueError, match=r"^clp, seed 0: clp.without .* name \['los'\]"):
        compare(config, ["clp", "erm"], [0], tmp_path, jobs=1)
    assert [row["method"] for row in results(tmp_path)] == ["erm"]
