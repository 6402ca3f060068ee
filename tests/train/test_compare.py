"""Methods times seeds in processes."""

from __future__ import annotations

import json
import sys
from concurrent.futures import Future

import pytest
import torch

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
    assert [(row["method"], row["seed"]) for row in results(tmp_path)] == [
        ("clp", 0), ("clp", 1), ("erm", 0), ("erm", 1),
    ]  # fmt: skip
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


def test_damaged_results_are_told_before_a_run(tiny, tmp_path):
    (tmp_path / "results.json").write_text('{"runs": [1')
    with pytest.raises(ValueError, match=r"results\.json is damaged .*: delete it"):
        compare(tiny(), ["erm"], [0], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_an_error_of_any_kind_is_told_with_its_run(tiny, tmp_path, monkeypatch):
    failed = Future()
    failed.set_exception(UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid continuation byte"))
    module = sys.modules[compare.__module__]
    monkeypatch.setattr(module, "_as_completed", lambda *_: [(failed, "erm, seed 0")])
    with pytest.raises(ValueError, match=r"^erm, seed 0: 'utf-8' codec can't decode"):
        compare(tiny(), ["erm"], [0], tmp_path)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (torch.OutOfMemoryError("20 GiB"), "erm, seed 0: 20 GiB"),
        (TypeError("a mistake"), "a mistake\nerm, seed 0"),
    ],
)
def test_no_error_of_a_run_ends_the_others(tiny, tmp_path, monkeypatch, error, told):
    ended = Future(), Future()
    ended[0].set_exception(error)
    ended[1].set_result({"method": "erm", "seed": 1, "folder": "erm/seed-1"})
    runs = [(future, f"erm, seed {seed}") for seed, future in enumerate(ended)]
    monkeypatch.setattr(sys.modules[compare.__module__], "_as_completed", lambda *_: runs)
    with pytest.raises(type(error), match=f"^{told}$"):
        compare(tiny(), ["erm"], [0, 1], tmp_path)
    assert [row["seed"] for row in results(tmp_path)] == [1]
