"""Trials on validation data: shared, gone on with, and without a look at the test."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
import torch
import yaml

from causalogit.config import OptimizerConfig, config_from_dict
from causalogit.core import Divergence
from causalogit.data import build_data
from causalogit.train import loop, train, validate
from causalogit.tuning import read_space, run, tune
from causalogit.tuning.study import SharedStudy

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)

SPACE = {
    "optimizer.learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "optimizer.batch_size": {"choices": [16, 32]},
}


class Killed(BaseException):
    """Stands in for a power cut."""


@pytest.fixture
def config(tiny):
    return tiny(method="erm", optimizer=OptimizerConfig(epochs=2))


def fields(tuned):
    return [(trial.value, trial.fields) for trial in tuned.trials]


def test_no_test_image_is_read(config, tmp_path, monkeypatch):
    build, reads = loop.run_data, []

    class Watched:
        def __init__(self, images):
            self.images, self.shape, self.has_masks = images, images.shape, images.has_masks

        def read(self, indices):
            reads.append(indices)
            return self.images.read(indices)

    def run_data(config, device):
        data = build(config, device)
        return replace(data, test=replace(data.test, images=Watched(data.test.images)))

    monkeypatch.setattr(loop, "run_data", run_data)
    tuned = tune(config, SPACE, tmp_path / "tune", trials=2, seeds=[0, 1])
    assert reads == []
    train(tuned.config, tmp_path / "run")
    assert reads != []  # so it would have been seen


def test_a_trial_is_the_mean_of_its_seeds_and_the_best_is_a_config(config, tmp_path):
    tuned = tune(config, SPACE, tmp_path, trials=2, seeds=[3, 1])
    for trial in tuned.trials:
        assert len(trial.values) == 2
        assert trial.value == pytest.approx(sum(trial.values) / 2)
    assert tuned.best.value == max(trial.value for trial in tuned.trials)
    best = config_from_dict(yaml.safe_load((tmp_path / "best.yaml").read_text()))
    assert best == tuned.config
    assert best.seed == 3
    assert best.optimizer.batch_size == tuned.best.fields["optimizer.batch_size"]
    with (tmp_path / "trials.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [float(line["value"]) for line in lines] == [trial.value for trial in tuned.trials]
    assert not list(tmp_path.rglob("*.ckpt"))
    row = validate(replace(best, seed=1), tmp_path / "again")
    assert row["accuracy/mean"] == tuned.best.values[1]


def test_killed_and_resumed_equals_uninterrupted(config, tmp_path, monkeypatch):
    whole = tune(config, SPACE, tmp_path / "whole", trials=3)

    def kill(label, done, total):
        if label.startswith("trial 1") and done == total - 1:
            raise Killed

    cut = tmp_path / "cut"
    with monkeypatch.context() as patched:
        patched.setattr(SharedStudy, "let_go", lambda self, taken: self._locks.clear())
        with pytest.raises(Killed):
            tune(config, SPACE, cut, trials=3, on_progress=kill)
    steps = []
    tuned = tune(config, SPACE, cut, trials=3, on_progress=lambda *told: steps.append(told))
    assert fields(tuned) == fields(whole)
    assert tuned.config == whole.config
    first = steps[0]
    assert first[0].startswith("trial 2")
    assert first[1] > 1  # its run was gone on with
    assert tune(config, SPACE, cut, trials=3) == tuned


def test_workers_share_the_trials(config, tmp_path):
    """A second worker comes while the first is at work: each trial is made once."""
    others, made = [], []

    def second(label, done, total):
        made.append(label)
        if label.startswith("trial 0") and not others:
            others.append(None)
            others[0] = tune(
                config, SPACE, tmp_path, trials=3,
                on_progress=lambda label, *_: made.append(label),
            )  # fmt: skip

    tuned = tune(config, SPACE, tmp_path, trials=3, on_progress=second)
    assert [trial.number for trial in others[0].trials] == [1, 2]
    assert others[0].running == 1
    assert [trial.number for trial in tuned.trials] == [0, 1, 2]
    assert set(made) == {f"trial {number}, seed 0" for number in range(3)}


def test_a_trial_of_the_same_fields_is_not_trained_again(config, tmp_path, monkeypatch):
    runs = []

    def counted(config, folder, **callbacks):
        runs.append(config.optimizer.batch_size)
        return validate(config, folder, **callbacks)

    monkeypatch.setattr(run, "validate", counted)
    space = {"optimizer.batch_size": {"choices": [16, 32]}}
    tuned = tune(config, space, tmp_path, trials=6)
    assert sorted(runs) == [16, 32]
    assert len(tuned.trials) == 6
    assert {trial.epochs for trial in tuned.trials} == {2}
    values = {trial.fields["optimizer.batch_size"]: trial.value for trial in tuned.trials}
    assert all(
        trial.value == values[trial.fields["optimizer.batch_size"]] for trial in tuned.trials
    )


def test_bad_trials_do_not_end_the_search(config, tmp_path, monkeypatch):
    validate, calls = run.validate, []

    def breaks(*args, **options):
        calls.append(args)
        errors = {1: Divergence("x"), 2: torch.OutOfMemoryError("x"), 3: ValueError("no fit")}
        if len(calls) in errors:
            raise errors[len(calls)]
        return validate(*args, **options)

    monkeypatch.setattr(run, "validate", breaks)
    tuned = tune(config, SPACE, tmp_path, trials=4)
    assert [(trial.state, trial.reason) for trial in tuned.trials] == [
        ("pruned", "diverged"), ("pruned", "out of memory"), ("refused", "no fit"),
        ("complete", ""),
    ]  # fmt: skip


@pytest.fixture
def falling(monkeypatch):
    """Trials of four epochs, each worse than all before from its first epoch on."""
    numbers = iter(range(100))

    def validate(config, folder, *, on_step, on_epoch):
        value = 1 - next(numbers) / 100
        for epoch in (1, 2, 3, 4):
            on_epoch(epoch, value)
        return {"accuracy/mean": value}

    monkeypatch.setattr(run, "validate", validate)


@pytest.mark.usefixtures("falling")
def test_pruning_by_the_first_seeds_epochs_when_half_of_them_are_over(config, tmp_path):
    config = replace(config, optimizer=OptimizerConfig(epochs=4))
    tuned = tune(config, SPACE, tmp_path / "pruned", trials=7)
    assert [trial.state for trial in tuned.trials] == ["complete"] * 5 + ["pruned"] * 2
    assert [trial.epochs for trial in tuned.trials[-2:]] == [3, 3]
    assert tuned.importances == {}  # too few trials
    tuned = tune(config, SPACE, tmp_path / "all", trials=11, prune=False)
    assert {trial.state for trial in tuned.trials} == {"complete"}
    assert tuned.importances.keys() == SPACE.keys()


@pytest.mark.usefixtures("falling")
@pytest.mark.parametrize(
    ("method", "space"),
    [
        ("dfr", SPACE),  # its epochs know nothing of the refit
        ("erm", {"optimizer.epochs": {"low": 4, "high": 16}}),  # the third of four, and of sixteen
    ],
)
def test_nothing_is_pruned_where_epochs_are_not_alike(config, tmp_path, method, space):
    config = replace(config, method=method, optimizer=OptimizerConfig(epochs=4))
    tuned = tune(config, space, tmp_path, trials=7)
    assert {trial.state for trial in tuned.trials} == {"complete"}


def test_the_best_is_tested_on_images_that_no_trial_has_seen(config, tmp_path):
    tuned = tune(config, SPACE, tmp_path, trials=1, seeds=[3, 1])
    assert tuned.config.data.seed == 3
    data = [
        build_data(own.data, own.split_seed)
        for folder in (tmp_path / "trials" / "0000").glob("seed-*")
        for own in [config_from_dict(yaml.safe_load((folder / "config.yaml").read_text()))]
    ]
    later = replace(tuned.config, seed=7)
    data.append(build_data(later.data, later.split_seed))
    tests = [own.test.everything().images for own in data]
    assert len(tests) == 3
    assert all(torch.equal(own, tests[0]) for own in tests)
    assert tune(replace(config, data=replace(config.data, seed=9)), SPACE, tmp_path / "own",
                trials=1).config.data.seed == 9  # fmt: skip


def test_any_storage_of_optuna(config, tmp_path):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    first = tune(config, SPACE, tmp_path / "a", trials=1, storage=storage)
    second = tune(config, SPACE, tmp_path / "b", trials=2, storage=storage)
    assert second.trials[0] == first.trials[0]
    assert [path.name for path in (tmp_path / "b" / "trials").iterdir()] == ["0001"]
    with pytest.raises(ValueError, match="storage nowhere://x cannot be used"):
        tune(config, SPACE, tmp_path / "c", storage="nowhere://x")


def test_wrong_requests_leave_nothing(config, tmp_path):
    out = tmp_path / "out"
    for options, message in (
        ({"trials": 0}, "trials is 0"),
        ({"seeds": [1, 1]}, r"seeds are \[1, 1\]: give different numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            tune(config, SPACE, out, **options)
    with pytest.raises(ValueError, match="select_by is 'accuracy/test_mean': choose a validation"):
        tune(replace(config, select_by="accuracy/test_mean"), SPACE, out)
    with pytest.raises(ValueError, match="model 'lenett' is not known"):
        tune(replace(config, model="lenett"), SPACE, out)
    assert not out.exists()


def test_another_study_is_refused(config, tmp_path):
    SharedStudy(tmp_path, config, read_space(SPACE, config), [0], None)
    with pytest.raises(ValueError, match=r"holds a study of another config, space or seeds"):
        tune(config, SPACE, tmp_path, seeds=[1])


def test_optuna_is_asked_for_where_it_is_missing(config, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ValueError, match=r"pip install 'causalogit\[tune\]'"):
        tune(config, SPACE, tmp_path)


@pytest.mark.parametrize("content", ["x: [", "[]", "model: lenet"])
def test_a_damaged_record_is_told(config, tmp_path, content):
    tune(config, SPACE, tmp_path, trials=1)
    (tmp_path / "tune.yaml").write_text(content)
    with pytest.raises(ValueError, match=r"tune\.yaml is damaged .*: put it right, or choose"):
        tune(config, SPACE, tmp_path, trials=1)
