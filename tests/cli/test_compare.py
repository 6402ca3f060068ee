"""`compare`: configs of single methods, and what is printed where runs fail."""

from __future__ import annotations

import json

import pytest
import yaml

from causalogit.cli.main import main
from causalogit.config import RunConfig, config_to_dict
from causalogit.methods import METHODS
from tests.cli.test_main import TINY


def rows(out):
    return json.loads((out / "results.json").read_text())["runs"]


def test_configs_of_other_runs_serve(tmp_path):
    """Those of a run or of `tune` have a method and a seed, which are several here."""
    best = tmp_path / "best.yaml"
    options = ["train", "--method", "jtt", "--seed", "7", "--optimizer.learning_rate", "0.05"]
    assert main([*options, "--out", str(tmp_path / "run"), *TINY]) == 0
    best.write_bytes((tmp_path / "run" / "config.yaml").read_bytes())
    rival = tmp_path / "rival.yaml"
    rival.write_text("method: clp\noptimizer: {learning_rate: 1e-3}\n")
    out = tmp_path / "all"
    command = ["compare", "--config", str(best), "--methods", "erm", "jtt", "--seeds", "0", "1"]
    assert main([*command, "--configs", f"erm={rival}", "--out", str(out)]) == 0
    assert [(row["method"], row["seed"]) for row in rows(out)] == [
        ("erm", 0), ("erm", 1), ("jtt", 0), ("jtt", 1),
    ]  # fmt: skip
    for method, rate in (("erm", 0.001), ("jtt", 0.05)):
        kept = yaml.safe_load((out / method / "seed-1" / "config.yaml").read_text())
        expected = config_to_dict(RunConfig())["optimizer"] | {"learning_rate": rate, "epochs": 1}
        assert kept["optimizer"] == expected
        assert kept["data"]["test_size"] == 4500


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "erm"], "compare has several: give --methods in place of --method"),
        (["--seed=3"], "compare has several: give --seeds in place of --seed"),
        (["--configs", "erm"], "configs are ['erm']: give METHOD=FILE once for a method"),
        (["--configs", "erm=nowhere.yaml"], "nowhere.yaml cannot be read (No such file"),
        (["--configs", "erm=bad.yaml"], "bad.yaml is not a YAML file"),
        (["--configs", "erm=unknown.yaml"], "unknown.yaml: config: "),
        (["--configs", "erm=empty.yaml"], "empty.yaml is no section of options"),
        (["--configs", "erm=other.yaml"], "the config of erm has another data.source"),
        (["--configs", "jtt=photos"], "a config for 'jtt', which is not compared"),
    ],
)
def test_wrong_requests(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "bad": "{",
        "unknown": "optimiser: {epochs: 1}",
        "empty": "",
        "other": "data: {source: mnist}",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    assert main(["compare", "--methods", "erm", "--seeds", "0", *options, *TINY]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_what_is_done_is_shown_where_other_runs_fail(tmp_path, capsys):
    command = ["compare", "--methods", "erm", "mixup", "jtt", "--seeds", "0", "--jobs", "1"]
    command += [*TINY, "--optimizer.pieces", "2", "--out", str(tmp_path)]
    assert main(command) == 1
    told = capsys.readouterr()
    assert "Budgets:" in told.out
    assert "mixup" not in told.out
    assert "2 of 3 runs failed\nmixup, seed 0: method 'mixup' looks at whole batches" in told.err
    assert "\njtt, seed 0: " in told.err
    # what the folder has of another config is no row of this table
    assert main([*command, "--optimizer.learning_rate", "1"]) == 1
    assert "Budgets:" not in capsys.readouterr().out


def test_all_are_those_that_take_pieces(tmp_path, capsys, monkeypatch):
    asked = []

    def run(config, names, *_, **__):
        asked.extend(names)
        raise ValueError("enough")

    monkeypatch.setattr("causalogit.cli.commands.run_comparison", run)
    assert main(["compare", "--optimizer.pieces", "2", "--out", str(tmp_path)]) == 1
    assert asked == [name for name, kind in METHODS.items() if kind.parallel]
    told = " ".join(capsys.readouterr().out.split())
    assert "left out, as they take batches in one piece: " in told
    assert "mixup" in told
