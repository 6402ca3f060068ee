"""A full disk, a read-only folder, a killed process: one sentence, and nothing is lost."""

from __future__ import annotations

import errno
import io
import json
import multiprocessing
import os
from pathlib import Path

import pytest
import torch

from causalogit.cli import commands
from causalogit.cli.main import main
from causalogit.config import OptimizerConfig
from causalogit.core import Divergence
from causalogit.files import LOCK, unfinished, write_text
from causalogit.train import compare, load_run, train
from causalogit.train.checkpoint import load_checkpoint, save_checkpoint
from causalogit.train.compare import run_folder
from causalogit.train.folder import RunFolder

TINY = [
    "--data.meta.per_class", "10", "--data.validation_size", "50", "--data.test_size", "4500",
    "--optimizer.epochs", "3",
]  # fmt: skip


class _Device:
    """A disk with so many bytes left, for the files that are opened anew."""

    def __init__(self, left: int) -> None:
        self.left, self.opened = left, []

    def open(self, path: Path, mode: str) -> io.BufferedWriter:
        device = self

        class File(io.FileIO):
            def write(self, data) -> int:
                if device.left <= 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                fits = bytes(data)[: device.left]
                device.left -= len(fits)
                return super().write(fits)

        self.opened.append(path)
        return io.BufferedWriter(File(path, mode))


@pytest.fixture
def full_disk(monkeypatch):
    """Gives new files so many bytes in all, and then what a full disk gives."""

    def fill(left: int) -> _Device:
        device, plain = _Device(left), Path.open

        def opened(path, mode="r", *args, **options):
            return device.open(path, mode) if "x" in mode else plain(path, mode, *args, **options)

        monkeypatch.setattr(Path, "open", opened)
        return device

    return fill


FULL = r"cannot be written \(No space left on device\): make room .* then go on with the same"


@pytest.mark.parametrize("left", [0, 1, 64, 700, 30_000, 79_000])
def test_a_full_disk_leaves_the_old_checkpoint_and_no_stray_file(left, tmp_path, full_disk):
    path = tmp_path / "state.ckpt"
    save_checkpoint(path, {"model": {}, "config": {}, "epoch": 1})
    device = full_disk(left)
    content = {"model": {name: torch.ones(10_000) for name in "ab"}, "config": {}, "epoch": 2}
    with pytest.raises(OSError, match=FULL):
        save_checkpoint(path, content)
    assert len(device.opened) == 1
    assert os.listdir(tmp_path) == ["state.ckpt"]
    assert load_checkpoint(path)["epoch"] == 1


def test_a_run_on_a_full_disk_stops_in_a_sentence_and_goes_on(
    tmp_path, capsys, full_disk, monkeypatch
):
    out = tmp_path / "run"
    command = ["train", "--method", "erm", *TINY, "--out", str(out)]
    full_disk(900_000)  # enough for one epoch's checkpoints, not for two
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"causalogit: {out}/")
    assert "cannot be written (No space left on device): make room" in error
    assert error.count("\n") == 1
    assert load_checkpoint(out / "state.ckpt")["epoch"] == 1
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == [LOCK]
    monkeypatch.undo()  # room again
    assert main([*command, "--resume"]) == 0
    assert load_checkpoint(out / "state.ckpt")["epoch"] == 3


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("what", ["the folder", "its lock", "a file"])
def test_a_folder_that_may_not_be_written_to(number, what, tmp_path, capsys, monkeypatch):
    """By what the system calls raise: for root, permissions count for nothing."""
    out = tmp_path / "run"
    refused = OSError(number, os.strerror(number))
    system_open, system_mkdir, plain = os.open, Path.mkdir, Path.open

    def refuse(place: object, kind: str) -> None:
        if what == kind and str(place).startswith(str(out)):
            raise refused

    def make(path, *args, **options):
        refuse(path, "the folder")
        system_mkdir(path, *args, **options)

    def open_lock(path, *args, **options):
        refuse(path, "its lock")
        return system_open(path, *args, **options)

    def open_file(path, *args, **options):
        refuse(path, "a file")
        return plain(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", make)
    monkeypatch.setattr(os, "open", open_lock)
    monkeypatch.setattr(Path, "open", open_file)
    assert main(["train", "--method", "erm", *TINY, "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"causalogit: {out}")
    assert f"cannot be written ({os.strerror(number)})" in error
    assert error.count("\n") == 1


def test_a_file_where_the_folder_should_be_is_told(tiny, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/run cannot be written \(Not a directory\): choose"):
        train(tiny(method="erm"), tmp_path / "file" / "run")
    with pytest.raises(OSError, match=r"file/a\.json cannot be written \(File exists\): choose"):
        write_text(tmp_path / "file" / "a.json", "{}")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "at all")
    with pytest.raises(OSError, match=r"dangling cannot be written \(.*\): choose another place"):
        train(tiny(method="erm"), tmp_path / "dangling")


def test_what_a_killed_process_left_half_written_is_swept_away(tiny, tmp_path):
    stray = unfinished(tmp_path)
    stray.write_bytes(b"half a checkpoint")
    (tmp_path / ".mine").touch()
    folder = RunFolder(tmp_path)
    folder.begin(tiny(method="erm"))
    with folder:
        assert not stray.exists()
        assert (tmp_path / ".mine").exists()


@pytest.mark.parametrize("name", ["config.yaml", "results.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]", b"[1, 2", b"runs: {}: x"])
def test_damaged_records_are_told_by_name(name, content, tiny, tmp_path):
    folder, config = RunFolder(tmp_path), tiny(method="erm")
    folder.begin(config)
    with folder:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"config|results\.json is damaged") as error:
        train(config, tmp_path, resume=True)
    assert "\n" not in str(error.value)


def test_a_killed_worker_ends_the_comparison_in_a_sentence_and_the_rest_goes_on(tiny, tmp_path):
    before = set(multiprocessing.active_children())

    def kill_in_the_second_run(run, done, total):
        if run == "erm, seed 1":
            for worker in set(multiprocessing.active_children()) - before:
                worker.kill()

    with pytest.raises(ChildProcessError, match=r"a process was killed.*: 1 of 3 runs are complet"):
        compare(
            tiny(method="erm", checkpoint_every=1), ["erm"], [0, 1, 2], tmp_path, jobs=1,
            on_progress=kill_in_the_second_run,
        )  # fmt: skip
    rows = json.loads((tmp_path / "results.json").read_text())["runs"]
    assert [row["seed"] for row in rows] == [0]
    config = tiny(method="erm", checkpoint_every=1, seed=1)
    assert train(config, run_folder(tmp_path, "erm", 1), resume=True)["seed"] == 1


def test_a_full_disk_elsewhere_is_told_with_what_to_do(capsys, monkeypatch):
    def fails():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "sheet.png")

    monkeypatch.setattr(commands, "methods", fails)
    assert main(["methods"]) == 1
    error = capsys.readouterr().err
    assert (
        "No space left on device: 'sheet.png': make room on the disk, then give the same" in error
    )


def test_damaged_files_of_a_finished_run_are_told_by_name_and_with_a_way_out(tiny, tmp_path):
    config = tiny(method="meta_lp", optimizer=OptimizerConfig(epochs=1))
    row = train(config, tmp_path)
    folder = RunFolder(tmp_path)
    whole = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    def refused(name: str, content: bytes | None, way_out: str) -> None:
        path = tmp_path / name
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(ValueError, match=way_out) as error:
            load_run(tmp_path)
        assert name in str(error.value)
        assert "\n" not in str(error.value)
        path.write_bytes(whole[name])

    refused("metrics.csv", b"epoch\nabc\n", "begin a new run")
    refused("metrics.csv", None, "begin a new run")
    refused(folder.perturbation.name, whole[folder.perturbation.name][:100], "train --resume")
    selected = "selected-mean.ckpt"
    refused(selected, whole[selected][:1000], "give a .ckpt file")
    state = load_checkpoint(tmp_path / selected)
    save_checkpoint(tmp_path / "other.ckpt", state | {"config": {"younger": 1}})
    refused(selected, (tmp_path / "other.ckpt").read_bytes(), "another version of causalogit")
    state["model"].popitem()
    save_checkpoint(tmp_path / "other.ckpt", state)
    refused(selected, (tmp_path / "other.ckpt").read_bytes(), "do not fit lenet .*as the run has")

    folder.results.unlink()  # the way out works, unless what it needs is lost as well
    folder.perturbation.unlink()
    again = train(config, tmp_path, resume=True)
    assert again["last"] == row["last"]
    assert folder.perturbation.read_bytes() == whole[folder.perturbation.name]
    folder.results.unlink()
    folder.state.write_bytes(whole[folder.state.name][:500])
    with pytest.raises(ValueError, match=r"truncated.*: begin a new run in another folder"):
        train(config, tmp_path, resume=True)


def test_a_model_that_gives_more_than_logits_in_training_leaves_no_folder(tiny, tmp_path):
    config = tiny(method="erm", model="tests.train.networks:TwoHeads")
    with pytest.raises(ValueError, match="TwoHeads gives tuple while it is trained: it must give"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_last_good_checkpoint_is_named_only_where_there_is_one(tiny, tmp_path):
    config = tiny(method="erm", optimizer=OptimizerConfig(learning_rate=1e30, epochs=1))
    with pytest.raises(Divergence, match="not finite; none is kept: begin a run with a lower"):
        train(config, tmp_path)


def test_an_accelerator_that_is_not_here_is_told(tiny, tmp_path):
    with pytest.raises(ValueError, match="accelerator 'tpu' cannot be used here"):
        train(tiny(method="erm", accelerator="tpu"), tmp_path / "run")
