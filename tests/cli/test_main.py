"""Options, config files, and one clear error for each wrong input."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from causalogit.cli.main import main
from causalogit.cli.tables import results_table, spread
from causalogit.data.sources import OTHERS, SOURCES
from causalogit.methods import METHODS
from causalogit.presets import preset_names
from tests.data.pictures import write_pictures

TINY = [
    "--data.meta.per_class", "10", "--data.validation_size", "50", "--data.test_size", "4500",
    "--optimizer.epochs", "1",
]  # fmt: skip


def test_train_then_evaluate(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "--method", "erm", "--out", str(out), *TINY]) == 0
    row = json.loads((out / "results.json").read_text())["runs"][0]
    assert "erm" in capsys.readouterr().out
    assert main(["evaluate", str(out / "last.ckpt")]) == 0
    printed = capsys.readouterr().out
    assert f"{row['last']['accuracy/test_mean']:.4f}" in printed
    assert "accuracy/worst_group" in printed
    assert main(["evaluate", str(out / "last.ckpt"), "--split", "validation"]) == 0
    assert "accuracy/mean" in capsys.readouterr().out


def test_config_file_and_flags_that_override_it(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("method: group_dro\nseed: 3\ncontrols: {group_dro_step: 0.1}\n")
    arguments = ["train", "--config", str(file), "--seed", "4", "--out", str(tmp_path / "run")]
    assert main([*arguments, *TINY]) == 0
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert kept["method"] == "group_dro"
    assert kept["seed"] == 4
    assert kept["controls"]["group_dro_step"] == 0.1
    # a run's own record is a config file
    again = ["train", "--config", str(tmp_path / "run" / "config.yaml"), "--resume"]
    assert main([*again, "--out", str(tmp_path / "run")]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--method", "emr"], "method 'emr' is not known: choose among clp"),
        (
            ["train", "--model", "lenett"],
            "model 'lenett' is not known: choose lenet, cnn, ",
        ),
        (["train", "--weights", "pretrained"], "model 'lenet' has no weights to download"),
        (["train", "--weights", "nowhere.pth"], "weights nowhere.pth: there is no such file"),
        (["train", "--data.source", "digit"], "data.source 'digit' is not known"),
        (
            ["train", "--data.attribute.correlation", "2"],
            "data.attribute.correlation is 2.0: give a share",
        ),
        (
            ["train", "--model", "vit_tiny_patch16_224"],
            "model 'vit_tiny_patch16_224' does not take the 28x28 images of digits",
        ),
        (["train", "--accelerator", "tpux"], "accelerator 'tpux' cannot be used here"),
        (["train", "--clp.without", "[los]"], "clp.without and clp.replace name ['los']"),
        (["train", "--optimizer.epochs", "0"], "optimizer.epochs is 0: give at least 1"),
        (["compare", "--methods", "erm", "nope"], "method 'nope' is not known"),
        (["evaluate", "nowhere.ckpt"], "nowhere.ckpt: no such checkpoint"),
    ],
)
def test_wrong_values_give_one_sentence_and_code_1(arguments, message, tmp_path, capsys):
    if arguments[0] != "evaluate":
        arguments = [*arguments, "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("causalogit: ")
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())  # nothing half-made


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--sead", "1"], "--sead"),
        (["train", "--clp.solver", "exakt"], "clp.solver"),
        (["trane"], "trane"),
        (["train", "--seed", "one"], "seed"),
        (["train", "--mean", "0.5"], "Expected a list, in quotes, as '[A, B]'. Got value: 0.5"),
    ],
)
def test_unknown_options_are_refused_by_name(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_unknown_key_of_a_config_file_is_refused_by_name(tmp_path, capsys):
    file = tmp_path / "run.yaml"
    file.write_text("methd: erm\n")
    with pytest.raises(SystemExit) as stop:
        main(["train", "--config", str(file)])
    assert stop.value.code == 2
    assert "methd" in capsys.readouterr().err


def test_methods_are_listed_with_budgets(capsys):
    assert main(["methods"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in METHODS)


def test_spread_and_order_of_budgets():
    assert spread([0.5]) == "50.0"
    assert spread([0.4, 0.6]) == "50.0 ± 14.1"
    base = {"dataset": "d", "seed": 0, "seconds": 1.0, "method": "m", "title": "M"}
    base |= {which: dict.fromkeys(("accuracy/test_mean", "accuracy/worst_group"), 0.5)
             for which in ("last", "selected")}  # fmt: skip
    rows = [base | {"budget": b, "method": b} for b in "CAO"]
    assert list(results_table(rows).columns[0].cells) == ["O", "A", "C"]


@pytest.fixture
def compose_command(tmp_path):
    write_pictures(tmp_path / "in", {"cat": 8, "dog": 8}, {"forest": 4, "sea": 4})
    return [
        "data", "compose", "--pairs", "cat=forest", "dog=sea", "--size", "12",
        "--foregrounds", str(tmp_path / "in" / "objects"),
        "--backgrounds", str(tmp_path / "in" / "scenes"),
        "--train", "4", "--meta", "4", "--validation", "4", "--test", "4",
    ]  # fmt: skip


def test_data_compose_and_again_from_its_own_record(compose_command, tmp_path, capsys):
    out, again = tmp_path / "set", tmp_path / "again"
    assert main([*compose_command, "--correlation", "0.5", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert (out / "README.txt").read_text() in printed
    assert f"kept in {out}" in printed
    assert len((out / "metadata.csv").read_text().splitlines()) == 17
    record = ["data", "compose", "--config", str(out / "compose.yaml"), "--out", str(again)]
    assert main(record) == 0
    for file in ("metadata.csv", "compose.yaml", "README.txt", "images/000015.png"):
        assert (again / file).read_bytes() == (out / file).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--pairs", "cat", "dog=sea"], "give CLASS=PLACE once for every class"),
        (["--pairs", "cat=forest", "cat=sea"], "give CLASS=PLACE once for every class"),
        (["--pairs", "cat=forest", "cow=sea"], "no folder for class 'cow' of pairs"),
        (["--correlation", "95"], "correlation is 95.0: give a share between 0 and 1"),
        (["--test", "400"], "class 'dog' needs 206 cut-outs"),
    ],
)
def test_data_compose_refuses_with_code_1(compose_command, change, message, tmp_path, capsys):
    assert main([*compose_command, *change, "--out", str(tmp_path / "set")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("causalogit: ")
    assert message in error
    assert not (tmp_path / "set").exists()


def test_data_compose_into_a_full_folder_is_refused(compose_command, tmp_path, capsys):
    assert main([*compose_command, "--out", str(tmp_path)]) == 1
    assert "exists already and is not empty" in capsys.readouterr().err


def test_data_sources_lists_every_source(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "240")
    assert main(["data", "sources"]) == 0
    printed = capsys.readouterr().out
    for name, source in (SOURCES | OTHERS).items():
        row = next(line for line in printed.splitlines() if f" {name} " in line)
        assert source.summary in row
        assert source.path in row


@pytest.mark.parametrize("given", [["--config", "{}"], ["--config={}"]])
def test_a_preset_is_a_config_by_its_name(given, tmp_path, capsys):
    folder = tmp_path / "nowhere"
    arguments = ["train", *(word.format("cifar10-lt-100-small") for word in given)]
    assert main([*arguments, "--data.path", str(folder)]) == 1
    assert f"data.path {folder} does not hold CIFAR10" in capsys.readouterr().err
    digits = ["--data.source", "digits", "--data.largest_class", "20", "--data.long_tail.ratio=2"]
    out = tmp_path / "run"
    assert main([*arguments, *digits, "--optimizer.epochs", "1", "--out", str(out)]) == 0
    kept = yaml.safe_load((out / "config.yaml").read_text())
    assert kept["model"] == "cnn"
    assert kept["optimizer"]["nesterov"]
    assert kept["data"]["long_tail"]["ratio"] == 2


def test_presets_are_listed(capsys):
    assert main(["presets"]) == 0
    printed = capsys.readouterr().out
    for name in preset_names():
        assert name in printed


def test_methods_without_their_masks_are_named_or_left_out(tmp_path, capsys):
    write_pictures(tmp_path, {"cat": 20, "dog": 20}, {})
    photos = tmp_path / "objects"
    data = [
        "--data.source", str(photos), "--data.image_size", "28", "--data.meta.per_class", "2",
        "--optimizer.epochs", "1", "--clp.meta_batch_size", "4",
    ]  # fmt: skip
    assert main(["train", "--out", str(tmp_path / "run"), *data]) == 1
    message = capsys.readouterr().err
    assert f"method 'clp' needs masks on the meta images, and {photos} has none" in message
    assert not (tmp_path / "run").exists()
    assert main(["compare", "--seeds", "0", "--out", str(tmp_path / "all"), *data]) == 0
    printed = capsys.readouterr().out
    assert "left out, for want of groups and masks on the meta images" in printed
    rows = json.loads((tmp_path / "all" / "results.json").read_text())["runs"]
    assert [r["method"] for r in rows] == [n for n, m in METHODS.items() if m.budget == "A"]


def test_only_training_waits_for_lightning():
    """Its import takes as long as that of PyTorch."""
    code = "import sys, causalogit.cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" in done.stdout.split()
    assert not {"lightning_fabric", "torchmetrics", "torchvision"} & set(done.stdout.split())


def test_names_that_look_like_markup_are_printed_as_they_are(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--method", "erm", "--out", "runs[a]/[/b]", *TINY]) == 0
    assert "kept in runs[a]/[/b]" in capsys.readouterr().out


def test_data_compose_does_not_replace_the_folder_one_is_in(
    compose_command, tmp_path, capsys, monkeypatch
):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main([*compose_command, "--out", "."]) == 1
    assert "is the folder that you are in, which would be replaced" in capsys.readouterr().err
