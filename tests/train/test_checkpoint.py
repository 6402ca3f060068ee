"""Reading a checkpoint never runs code."""

from __future__ import annotations

import os
import pickle

import pytest
import torch

from causalogit.train.checkpoint import load_checkpoint


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
