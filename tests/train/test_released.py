"""Runs of released versions: their checkpoints are read, and damaged ones are not."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import causalogit
from causalogit.config import config_from_dict
from causalogit.evaluate.metrics import classification_metrics, predict
from causalogit.train import train
from causalogit.train.checkpoint import load_checkpoint
from causalogit.train.load import load_model, read_history

from .released import FOLDER, STEPS

VERSIONS = sorted(path for path in FOLDER.iterdir() if path.is_dir())
STATE = VERSIONS[0] / "state.ckpt"


def test_every_file_is_small_and_of_single_precision():
    assert VERSIONS
    for folder in VERSIONS:
        for file in folder.glob("*.ckpt"):
            assert file.stat().st_size < 50_000
            model = load_checkpoint(file)["model"]
            assert {value.dtype for value in model.values()} == {torch.float32}


def test_a_run_of_every_version_is_kept():
    changelog = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert {causalogit.__version__, *released} == {folder.name for folder in VERSIONS}


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda path: path.name)
def test_a_checkpoint_gives_the_classifier_that_was_saved(folder):
    state = load_checkpoint(folder / "state.ckpt")
    model, _, data = load_model(folder / "best-mean.ckpt")
    split = data.validation
    logits = predict(model, split, torch.device("cpu"))
    found = classification_metrics(logits, split.labels, split.groups, data.group_counts)
    told = state["best"]["accuracy/mean"]
    assert found["accuracy/mean"] == pytest.approx(told["value"], abs=0.021)  # one image of 50
    assert found["loss/mean"] == pytest.approx(
        state["history"][0]["validation/loss/mean"], rel=1e-3
    )


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda path: path.name)
def test_a_run_goes_on_from_where_it_was_killed(folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    state = load_checkpoint(run / "state.ckpt")
    config = config_from_dict(yaml.safe_load((run / "config.yaml").read_text()))
    steps: list[int] = []
    row = train(config, run, resume=True, on_step=lambda done, _: steps.append(done))
    assert steps == list(range(STEPS - 1, 40))  # two steps are lost, and no more
    assert row["epochs"] == 3
    history = read_history(run)
    assert history[0] == pytest.approx(state["history"][0])
    assert load_model(run / "last.ckpt")[1] == config


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_one_is_refused(share, tmp_path):
    content = STATE.read_bytes()
    path = tmp_path / "state.ckpt"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="is not a checkpoint that can be read safely") as error:
        load_checkpoint(path)
    assert "\n" not in str(error.value)


FOREIGN = st.one_of(
    st.none(),
    st.integers(),
    st.lists(st.integers()),
    st.dictionaries(st.sampled_from(["model", "config", "epoch"]), st.none() | st.text()),
)


@given(content=FOREIGN)
@settings(max_examples=20)
def test_what_is_no_checkpoint_is_refused(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign") / "x.ckpt"
    torch.save(content, path)
    with pytest.raises(ValueError, match="it has no model and config"):
        load_checkpoint(path)


@given(data=st.data())
@settings(max_examples=60)
def test_damaged_bytes_are_refused_or_read_but_raise_nothing_else(data, tmp_path_factory):
    content = bytearray(STATE.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=9)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "state.ckpt"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about what it found in the file
        try:
            state = load_checkpoint(path)
        except ValueError:
            return
    assert {"model", "config"} <= state.keys()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("optimizer", {"state": {}, "param_groups": []}),
        ("optimizer", None),
        ("random", {}),
        ("method", {}),
        ("means", 3),
        ("model", {}),
    ],
)
def test_a_state_that_does_not_fit_is_refused_in_a_sentence(part, value, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(STATE.parent, run)
    state = load_checkpoint(run / "state.ckpt") | {part: value}
    torch.save(state, run / "state.ckpt")
    config = config_from_dict(yaml.safe_load((run / "config.yaml").read_text()))
    with pytest.raises(ValueError, match=r"state\.ckpt was written by another version"):
        train(config, run, resume=True)
