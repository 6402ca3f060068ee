"""A run's folder, its selection, and that it goes on bit for bit."""

from __future__ import annotations

import csv
import errno
import json
import threading
from dataclasses import replace
from itertools import product

import pytest
import torch
import yaml
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from causalogit.config import OptimizerConfig, config_to_dict
from causalogit.core import Divergence
from causalogit.data import Split
from causalogit.evaluate.metrics import classification_metrics, predict
from causalogit.files import LOCK
from causalogit.methods import learned_masks
from causalogit.train import load_run, loop, train, validate
from causalogit.train.checkpoint import load_checkpoint, save_checkpoint
from causalogit.train.folder import RunFolder
from causalogit.train.loop import Trainer
from tests.devices import DEVICES
from tests.train.networks import DRAWS

ROW_KEYS = {
    "data",
    "method", "title", "budget", "dataset", "seed", "last", "selected", "selected_by",
    "selections", "seconds", "epochs", "folder", "revision",
}  # fmt: skip


class Killed(Exception):
    """Stands in for a power cut in the middle of a step."""


def kill_after(steps):
    def on_step(done, total):
        if done == steps:
            raise Killed

    return on_step


def same_weights(first, second):
    a, b = (load_checkpoint(path)["model"] for path in (first, second))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_folder_holds_everything(tiny, tmp_path):
    config = tiny(method="clp")
    row = train(config, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    assert yaml.safe_load(folder.config.read_text()) == config_to_dict(config)
    environment = json.loads((folder.path / "environment.json").read_text())
    assert torch.__version__.startswith(environment["packages"]["torch"])
    assert set(row) == ROW_KEYS
    assert json.loads(folder.results.read_text()) == {"runs": [row]}
    names = ["0 or 1", "2 or 3", "4 or 5", "6 or 7", "8 or 9"]
    assert all(load_checkpoint(file)["class_names"] == names for file in folder.path.glob("*.ckpt"))
    with (folder.path / "metrics.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["epoch"] for line in lines] == ["1.0", "2.0", "3.0"]
    assert float(lines[0]["learning_rate"]) > float(lines[2]["learning_rate"])
    assert list((folder.path / "tensorboard").iterdir())
    run = load_run(folder.path)
    assert run.perturbations is not None
    assert run.perturbations.output.shape == (400, 5)
    assert run.perturbations.characteristics.shape == (400, 10)
    assert [p.name for p in folder.path.rglob(".*")] == [LOCK]  # no temporary file left


def test_weights_are_kept_in_place_of_delta(tiny, tmp_path):
    train(tiny(method="meta_weight_net"), tmp_path)
    with safe_open(RunFolder(tmp_path).perturbation, "pt") as file:
        assert set(file.keys()) == {"characteristics", "weight", "labels", "groups"}
    given = load_run(tmp_path).perturbations
    assert given.names == ["loss"]
    assert given.characteristics.shape == (400, 1)
    assert given.output.shape == (400,)
    assert 0 < given.output.min() < given.output.max() < 1


def test_masks_that_were_learned_are_read_back_at_no_more_than_budget_b(
    tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(learned_masks, "STEPS", 20)
    config = tiny(method="erm_factual")
    exact = train(config, tmp_path / "exact")
    config = replace(config, data=replace(config.data, masks="learned"))
    learned = train(config, tmp_path / "learned")
    assert (exact["budget"], learned["budget"]) == ("C", "B")
    some = torch.arange(50)
    again = load_run(tmp_path / "learned").data.train.batch(some).masks
    assert torch.equal(again, Trainer(config, RunFolder(tmp_path)).data.train.batch(some).masks)
    assert not torch.equal(again, load_run(tmp_path / "exact").data.train.batch(some).masks)


@pytest.mark.parametrize(
    ("method", "steps"),
    [
        *product(["erm", "clp_factual", "group_dro", "dfr_augmented"], [1, 13, 20, 39]),
        # with state of their own, or draws in every step
        *product(
            ["meta_weight_net", "ldam_drw", "mixup", "crt", "jtt", "co_teaching", "lisa"], [20]
        ),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(method, steps, tiny, tmp_path):
    _check_resumed(tiny(method=method, checkpoint_every=6), steps, tmp_path)


@pytest.mark.parametrize("accelerator", DEVICES)
def test_what_a_model_draws_is_drawn_on_after_a_kill(accelerator, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    config = tiny(method="erm", model=DRAWS, accelerator=accelerator, checkpoint_every=6)
    _check_resumed(config, 20, tmp_path)


def _check_resumed(config, steps, tmp_path):
    whole = train(config, tmp_path / "whole")
    with pytest.raises(Killed):
        train(config, tmp_path / "cut", on_step=kill_after(steps))
    torch.rand(7)  # another process would begin with another random state
    resumed = train(config, tmp_path / "cut", resume=True)
    for name in ("last.ckpt", "state.ckpt", "selected-mean.ckpt", "best-worst_group.ckpt"):
        assert same_weights(tmp_path / "whole" / name, tmp_path / "cut" / name), name
    assert resumed["last"] == whole["last"]
    assert resumed["selected"] == whole["selected"]
    history = [(tmp_path / n / "metrics.csv").read_text() for n in ("whole", "cut")]
    assert history[0] == history[1]


def test_selection_is_by_validation_only(tiny, tmp_path):
    row = train(tiny(method="erm_factual"), tmp_path)
    run = load_run(tmp_path)
    best = max(run.history, key=lambda past: past["validation/accuracy/mean"])
    assert row["selected"]["epoch"] == best["epoch"]
    assert row["selected"] == row["selections"]["accuracy/mean"]
    assert row["selected_by"] == "validation accuracy/mean"
    logits = predict(run.model, run.data.test, torch.device("cpu"))
    tested = classification_metrics(
        logits, run.data.test.labels, run.data.test.groups, run.data.group_counts
    )
    assert row["selected"]["accuracy/test_mean"] == tested["accuracy/mean"]
    assert row["selected"]["accuracy/worst_group"] == tested["accuracy/worst_group"]
    by_group = train(
        tiny(method="erm_factual", select_by="accuracy/worst_group"), tmp_path / "other"
    )
    assert by_group["selected"] == by_group["selections"]["accuracy/worst_group"]


def test_an_epoch_that_is_chosen_more_than_once_is_tested_once(tiny, tmp_path, monkeypatch):
    tests = []
    evaluate = Trainer._evaluate
    monkeypatch.setattr(
        Trainer,
        "_evaluate",
        lambda self, model, split: tests.append(split) or evaluate(self, model, split),
    )
    row = train(tiny(method="dfr", optimizer=OptimizerConfig(epochs=1)), tmp_path)
    assert tests == ["validation", "test"]
    assert row["last"] == row["selected"]
    kept = [
        load_checkpoint(tmp_path / f"{name}.ckpt")["model"]
        for name in ("last", "selected-mean", "selected-worst_group", "best-mean")
    ]
    head = [next(reversed(state.values())) for state in kept]
    assert torch.equal(head[0], head[1])
    assert torch.equal(head[0], head[2])
    assert not torch.equal(head[0], head[3])  # DFR's last touch is on the tested weights alone


def test_callers_random_state_is_left_alone(tiny, tmp_path):
    before = torch.get_rng_state()
    train(tiny(method="meta_lp"), tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_run_does_not_depend_on_callers_random_state(tiny, tmp_path):
    train(tiny(method="clp"), tmp_path / "a")
    torch.manual_seed(99)
    train(tiny(method="clp"), tmp_path / "b")
    assert same_weights(tmp_path / "a" / "last.ckpt", tmp_path / "b" / "last.ckpt")


def test_two_runs_never_share_a_folder(tiny, tmp_path):
    """Also where the first has only begun, and the second would resume it."""
    first, config = RunFolder(tmp_path), tiny(method="erm")
    first.begin(config)
    with first, pytest.raises(ValueError, match=r"another process is training in .*--out"):
        train(config, tmp_path, resume=True)
    assert train(config, tmp_path, resume=True)["method"] == "erm"  # it has let go


def test_a_run_that_came_and_went_meanwhile_is_not_overwritten(tiny, tmp_path, monkeypatch):
    """A second command looks into the folder, prepares for seconds, and only then locks it."""
    first, second = tiny(method="erm"), tiny(method="erm", seed=1)

    class Late(Trainer):
        def __init__(self, config, folder):
            super().__init__(config, folder)
            monkeypatch.undo()
            train(first, tmp_path)

    monkeypatch.setattr("causalogit.train.run.Trainer", Late)
    with pytest.raises(ValueError, match="holds a run already"):
        train(second, tmp_path)
    assert "seed: 0" in (tmp_path / "config.yaml").read_text()
    monkeypatch.setattr("causalogit.train.run.Trainer", Late)
    with pytest.raises(ValueError, match="holds a run of another config"):
        train(second, tmp_path, resume=True)


def test_folder_is_never_overwritten(tiny, tmp_path):
    train(tiny(method="erm"), tmp_path)
    with pytest.raises(ValueError, match=r"holds a run already: resume it \(--resume\)"):
        train(tiny(method="erm"), tmp_path)
    with pytest.raises(ValueError, match="holds a run of another config"):
        train(tiny(method="erm", seed=1), tmp_path, resume=True)
    assert train(tiny(method="erm"), tmp_path, resume=True)["method"] == "erm"


def test_state_of_another_version_is_refused_in_a_sentence(tiny, tmp_path):
    with pytest.raises(Killed):
        train(tiny(method="clp"), tmp_path, on_step=kill_after(20))
    state = load_checkpoint(tmp_path / "state.ckpt")
    del state["method"]["random"]
    save_checkpoint(tmp_path / "state.ckpt", state)
    with pytest.raises(ValueError, match="was written by another version of causalogit"):
        train(tiny(method="clp"), tmp_path, resume=True)


def test_a_state_of_another_run_is_refused_in_a_sentence(tiny, tmp_path):
    with pytest.raises(Killed):
        train(tiny(method="erm"), tmp_path, on_step=kill_after(20))
    state = load_checkpoint(tmp_path / "state.ckpt")
    for odd in (
        {"config": {**state["config"], "seed": 77}},
        {"epoch": "a"},
        {"epoch": 99},
        {"steps_in_epoch": None},
        {"history": [1, 2]},
        {"best": {"mean": 3}},
        {"seconds": "x"},
    ):
        save_checkpoint(tmp_path / "state.ckpt", state | odd)
        with pytest.raises(ValueError, match="or by another run, and cannot be gone on with"):
            train(tiny(method="erm"), tmp_path, resume=True)
    save_checkpoint(tmp_path / "state.ckpt", state)
    train(tiny(method="erm"), tmp_path, resume=True)


def test_divergence_keeps_the_last_good_checkpoint(tiny, tmp_path, monkeypatch):
    config = tiny(method="erm")

    class Breaks(Trainer):
        def _train_epoch(self, on_step):
            if self.epoch == 1:
                with torch.no_grad():
                    next(self.model.parameters()).fill_(torch.nan)
            super()._train_epoch(on_step)

    folder = RunFolder(tmp_path)
    folder.begin(config)
    with pytest.raises(Divergence, match="are not finite; the last good"), folder:
        Breaks(config, folder).run()
    state = load_checkpoint(folder.state)
    assert state["epoch"] == 1
    assert all(torch.isfinite(value).all() for value in state["model"].values())


def test_a_run_that_dies_while_it_logs_loses_no_row(tiny, tmp_path, monkeypatch):
    log, config = RunFolder.log_epoch, tiny(method="erm")

    def die_at_the_last_epoch(self, row, history):
        if row["epoch"] == 3:
            raise Killed
        log(self, row, history)

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "log_epoch", die_at_the_last_epoch)
        with pytest.raises(Killed):
            train(config, tmp_path)
    train(config, tmp_path, resume=True)
    with (tmp_path / "metrics.csv").open() as file:
        assert [line["epoch"] for line in csv.DictReader(file)] == ["1.0", "2.0", "3.0"]


def test_tensorboard_has_every_epoch_once_after_a_kill(tmp_path):
    for epochs in ((1, 2, 3), (2, 3)):  # the checkpoint was of the first epoch
        folder = RunFolder(tmp_path)
        for epoch in epochs:
            folder.log_epoch({"epoch": float(epoch), "loss/train": 1.0}, [{"epoch": 1.0}])
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("loss/train")] == [1, 2, 3]


def test_a_disk_that_is_full_for_tensorboard_is_told_by_name(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SummaryWriter, "flush", full)
    with pytest.raises(OSError, match=r"tensorboard cannot be written .*train: --resume"):
        RunFolder(tmp_path).log_epoch({"epoch": 1.0}, [{"epoch": 1.0}])


def test_batches_are_made_while_others_are_learned_from(tiny, tmp_path, monkeypatch):
    batch, threads = Split.batch, set()

    def made(self, *args):
        threads.add(threading.current_thread())
        return batch(self, *args)

    monkeypatch.setattr(Split, "batch", made)
    train(tiny(method="erm"), tmp_path)
    assert threads - {threading.main_thread()}


class Unread:
    """Images of which nobody may read one."""

    has_masks = True

    def __init__(self, images):
        self.shape = images.shape

    def __len__(self):
        return self.shape[0]

    def read(self, indices):
        raise AssertionError("an image of the test was read")


@pytest.fixture
def unread_test(monkeypatch):
    """No run of this test can read a test image."""
    build = loop.run_data

    def run_data(config, device):
        data = build(config, device)
        return replace(data, test=replace(data.test, images=Unread(data.test.images)))

    monkeypatch.setattr(loop, "run_data", run_data)


def test_validate_reads_no_test_image(tiny, tmp_path, unread_test):
    told = []
    config = tiny(method="clp", select_by="accuracy/worst_group")
    metrics = validate(config, tmp_path, on_epoch=lambda *row: told.append(row))
    assert [epoch for epoch, _ in told] == [1, 2, 3]
    assert metrics["accuracy/worst_group"] == max(value for _, value in told)
    assert not (tmp_path / "results.json").exists()
    with pytest.raises(AssertionError, match="an image of the test was read"):
        train(config, tmp_path, resume=True)  # which goes on to the test


def test_validate_sees_the_methods_last_touch(tiny, tmp_path):
    config = tiny(method="dfr", optimizer=OptimizerConfig(epochs=1))
    told = []
    metrics = validate(config, tmp_path, on_epoch=lambda *row: told.append(row))
    assert metrics["accuracy/mean"] != told[0][1]
    train(config, tmp_path, resume=True)
    run = load_run(tmp_path)
    logits = predict(run.model, run.data.validation, torch.device("cpu"))
    accuracy = (logits.argmax(1) == run.data.validation.labels).float().mean()
    assert metrics["accuracy/mean"] == pytest.approx(accuracy.item())


def test_validate_that_was_stopped_goes_on(tiny, tmp_path):
    config = tiny(method="clp")
    whole = validate(config, tmp_path / "whole")
    with pytest.raises(Killed):
        validate(config, tmp_path / "cut", on_step=kill_after(20))
    told = []
    cut = validate(config, tmp_path / "cut", on_epoch=lambda epoch, _: told.append(epoch))
    assert cut == whole
    assert told == [1, 2, 3]
