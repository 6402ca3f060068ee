"""Methods times seeds in processes."""

from __future__ import annotations

import json
import sys
from concurrent.futures import Future
from dataclasses import replace

import pytest
import torch
import yaml

from causalogit.config import ClpConfig, ControlsConfig, MetaConfig, OptimizerConfig
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


def test_every_failure_is_told(tiny, tmp_path):
    config = tiny(clp=ClpConfig(without=("los",)))
    with pytest.raises(ValueError, match=r"^2 of 3 runs failed\nclp, .*'los'.*\nmeta_lp, .*'los'"):
        compare(config, ["clp", "erm", "meta_lp"], [0], tmp_path, jobs=1)


def test_a_run_that_is_refused_keeps_its_row(tiny, tmp_path):
    erm, jtt = compare(tiny(), ["erm", "jtt"], [0], tmp_path, jobs=1)
    other = tiny(controls=ControlsConfig(jtt_weight=7))
    with pytest.raises(ValueError, match=r"^jtt, seed 0: .*another config"):
        compare(tiny(), ["erm", "jtt"], [0], tmp_path, configs={"jtt": other}, jobs=1)
    assert results(tmp_path) == [jtt, erm]


def test_methods_may_have_their_own_options_on_the_same_images(tiny, tmp_path):
    own = tiny(optimizer=OptimizerConfig(epochs=2, learning_rate=0.3))
    rows = compare(tiny(), ["erm", "jtt"], [0], tmp_path, configs={"jtt": own}, jobs=1)
    assert [row["last"]["epoch"] for row in rows] == [3, 2]
    kept = yaml.safe_load((run_folder(tmp_path, "jtt", 0) / "config.yaml").read_text())
    assert (kept["method"], kept["optimizer"]["learning_rate"]) == ("jtt", 0.3)
    with pytest.raises(ValueError, match="config for 'clp', which is not compared"):
        compare(tiny(), ["erm"], [0], tmp_path, configs={"clp": own})
    data = replace(own.data, meta=MetaConfig(per_class=20))
    with pytest.raises(ValueError, match=r"config of jtt has another data\.meta than that of all"):
        compare(tiny(), ["jtt"], [0], tmp_path, configs={"jtt": replace(own, data=data)})
    looks = replace(own, data=replace(own.data, transform="pad_crop_flip"))
    assert compare(tiny(), ["jtt"], [0], tmp_path / "looks", configs={"jtt": looks}, jobs=1)


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
