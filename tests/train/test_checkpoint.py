"""Files are whole or not there, and reading one never runs code."""

from __future__ import annotations

import os
import pickle

import pytest
import torch

from causalogit.train.checkpoint import load_checkpoint, save_checkpoint, write_atomically


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "state.ckpt"
    save_checkpoint(path, {"model": {}, "config": {}, "epoch": 1})

    def breaks(file):
        file.write(b"half a checkpoint")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, breaks)
    assert load_checkpoint(path)["epoch"] == 1
    assert os.listdir(tmp_path) == ["state.ckpt"]
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


class Evil:
    def __reduce__(self):
        return os.mkdir, ("was-here",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such checkpoint"),
        (b"PK\x03\x04 truncated", "cannot be read safely|can be read safely"),
        (pickle.dumps(Evil()), "can be read safely"),
    ],
)
def test_foreign_files_are_refused(content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"({message}).*: give a .ckpt file"):
        load_checkpoint(path)
    assert not (tmp_path / "was-here").exists()


def test_state_dict_of_someone_else_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "x.ckpt")
    with pytest.raises(ValueError, match="it has no model and config"):
        load_checkpoint(tmp_path / "x.ckpt")
