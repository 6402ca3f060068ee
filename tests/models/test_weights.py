"""Files of weights: what is taken from them, and what is refused."""

from __future__ import annotations

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from causalogit.models import LeNet, load_weights
from causalogit.models.weights import read_weights


def net(classes=3, width=4):
    return nn.Sequential(
        nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.Flatten(), nn.Linear(width, classes)
    )


def saved(state, path):
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pth.tar"])
def test_every_weight_is_taken(suffix, tmp_path):
    theirs, ours = net(), net()
    theirs[1].running_mean.fill_(2.0)
    load_weights(ours, saved(theirs.state_dict(), tmp_path / f"w{suffix}"), 3)
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_file_of_a_training_script(key, tmp_path):
    theirs, ours = net(), net()
    content = {key: theirs.state_dict(), "epoch": 3, "optimizer": {"state": {}}}
    load_weights(ours, saved(content, tmp_path / "w.pth"), 3)
    assert torch.equal(ours[0].weight, theirs[0].weight)


@pytest.mark.parametrize("change", ["more classes", "no head", "no bias"])
def test_a_head_that_does_not_fit_stays_fresh_as_a_whole(change, tmp_path):
    theirs = net(5 if change == "more classes" else 3).state_dict()
    if change != "more classes":
        del theirs["3.bias"]
    if change == "no head":
        del theirs["3.weight"]
    ours = net()
    before = {name: value.clone() for name, value in ours[3].state_dict().items()}
    load_weights(ours, saved(theirs, tmp_path / "w.safetensors"), 3)
    assert torch.equal(ours[0].weight, theirs["0.weight"])
    assert all(torch.equal(value, before[name]) for name, value in ours[3].state_dict().items())


def test_batch_counts_may_lack(tmp_path):
    theirs = net().state_dict()
    del theirs["1.num_batches_tracked"]
    ours = net()
    load_weights(ours, saved(theirs, tmp_path / "w.pth"), 3)
    assert torch.equal(ours[0].weight, theirs["0.weight"])


def lacking(state):
    del state["1.running_var"]


def too_many(state):
    state |= {f"4.{i}": torch.zeros(1) for i in range(5)}


def reshaped(state):
    state["0.weight"] = torch.zeros(4, 3, 3, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lacking, "(file against Sequential: lacks 1.running_var)"),
        (too_many, "has no use for 4.0, 4.1 and 3 more)"),
        (reshaped, "differs in the shape of 0.weight)"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(change, message, tmp_path):
    state = net().state_dict()
    change(state)
    ours = net()
    before = ours[1].weight.clone(), ours[0].weight.clone()
    with pytest.raises(ValueError, match=r"w\.pth does not fit the model") as told:
        load_weights(ours, saved(state, tmp_path / "w.pth"), 3)
    assert message in str(told.value)
    assert "\n" not in str(told.value)
    assert torch.equal(ours[1].weight, before[0])
    assert torch.equal(ours[0].weight, before[1])


def test_weights_of_another_model_are_refused(tmp_path):
    path = saved(net().state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"against LeNet: lacks features.0.weight"):
        load_weights(LeNet(3), path, 3)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("was-here",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.pth", None, "there is no such file"),
        (
            "w.npz",
            b"",
            "give 'pretrained', or a file that ends in .safetensors, .*ckpt or",
        ),
        ("pretraind", None, "weights 'pretraind': give 'pretrained', or a file"),
        ("w.pth", b"PK\x03\x04 truncated", "cannot be read safely"),
        ("w.safetensors", b"truncated", "cannot be read safely"),
        ("w.pth", pickle.dumps(Evil()), "cannot be read safely"),
    ],
)
def test_what_is_no_file_of_weights_is_refused(name, content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as told:
        read_weights(type(tmp_path)(name))
    assert "\n" not in str(told.value)
    assert not (tmp_path / "was-here").exists()


@pytest.mark.parametrize("content", [{}, [torch.zeros(1)], {"a": 1.0}, {"model": {}}])
def test_files_without_a_state_dict_are_refused(content, tmp_path):
    with pytest.raises(ValueError, match="holds no state dict"):
        read_weights(saved(content, tmp_path / "w.pth"))
