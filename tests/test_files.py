"""Files are whole or not there, and a folder is one process's."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from causalogit.files import (
    LOCK,
    alone_in,
    require_vacant,
    sweep,
    unfinished,
    write_atomically,
    write_text,
)


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "notes.txt"
    write_text(path, "all of it")

    def breaks(file):
        file.write(b"half of it")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, breaks)
    assert path.read_text() == "all of it"
    assert os.listdir(tmp_path) == ["notes.txt"]
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    done, sync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: done.append("synced") or sync(file))
    monkeypatch.setattr(
        Path, "replace", lambda path, to: done.append("replaced") or replace(path, to)
    )
    write_text(tmp_path / "notes.txt", "all of it")
    assert done == ["synced", "replaced"]


def test_a_folder_has_one_process_at_a_time(tmp_path):
    folder = tmp_path / "deep" / "out"
    with (
        alone_in(folder, "making masks"),
        pytest.raises(ValueError, match=r"another process is making masks in .*out: wait.*--out"),
        alone_in(folder, "making masks"),
    ):
        raise AssertionError("two at once")
    with alone_in(folder, "making masks"):  # the first has let go
        pass
    with pytest.raises(RuntimeError, match="inside"), alone_in(folder, "training"):
        raise RuntimeError("inside")
    with alone_in(folder, "training"):
        pass


def test_a_folder_in_which_nothing_was_written_is_taken_away(tmp_path):
    (tmp_path / "old").mkdir()
    for name in ("empty/masks", "full/masks", "old"):
        with alone_in(tmp_path / name, "making masks"):
            if name == "full/masks":
                (tmp_path / "full" / "a.txt").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "old"]
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["a.txt"]


def _hold(folder, held):
    with alone_in(folder, "training"):
        held.set()
        os._exit(1)  # without a word, as a killed one


def test_a_process_that_dies_lets_go(tmp_path):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=_hold, args=(tmp_path, held))
    process.start()
    process.join(60)
    assert held.is_set()
    with alone_in(tmp_path, "training"):
        pass


def test_what_is_vacant(tmp_path):
    require_vacant(tmp_path / "new")
    require_vacant(tmp_path)
    (tmp_path / LOCK).touch()
    unfinished(tmp_path).touch()  # of a process that was killed
    require_vacant(tmp_path)
    (tmp_path / "photo.png").touch()
    for path in (tmp_path, tmp_path / "photo.png"):
        with pytest.raises(ValueError, match="exists already and is not empty"):
            require_vacant(path)


def test_what_a_killed_process_left_is_swept_away(tmp_path):
    (tmp_path / "cats").mkdir()
    own, deeper = unfinished(tmp_path), unfinished(tmp_path / "cats")
    kept = [tmp_path / ".mine", tmp_path / f".{'0f' * 16}", tmp_path / "cats" / "b.png"]
    for path in (own, deeper, *kept):
        path.touch()
    sweep(tmp_path)
    assert not own.exists()
    assert deeper.exists()  # another process may be writing there
    sweep(tmp_path, below=True)
    assert not deeper.exists()
    assert all(path.exists() for path in kept)


def test_a_name_may_be_as_long_as_the_disk_takes(tmp_path):
    path = tmp_path / ("x" * 255)
    write_text(path, "whole")
    assert path.read_text() == "whole"
