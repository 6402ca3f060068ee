"""Classifiers from elsewhere answer as they do at home, and no file runs code unasked."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest
import timm
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file
from torch import nn
from torchvision.models import get_model

from causalogit.auditing import AuditConfig, ModelConfig, audit
from causalogit.auditing.checkpoint import load_subject
from causalogit.auditing.outputs import output_names, require_one_order
from causalogit.config import OptimizerConfig, RunConfig, config_to_dict
from causalogit.models import build_model
from causalogit.train.checkpoint import save_checkpoint
from tests.auditing.conftest import make_samples

CPU = torch.device("cpu")
NAME = "test_resnet"  # timm's own, for tests: 160 pixels, a few thousand weights
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


def normalised(photos):
    return (photos - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


@pytest.fixture
def photos():
    return torch.rand(5, 3, 32, 32)


@pytest.fixture
def small():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).eval()


def write_onnx(path: Path, batch: int | str = "batch", size: int | str = "side") -> Path:
    """Mean colour of the photo, as the logits of three classes."""
    taken = helper.make_tensor_value_info("photos", TensorProto.FLOAT, [batch, 3, size, size])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 3])
    nodes = [
        helper.make_node("GlobalAveragePool", ["photos"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["logits"]),
    ]
    graph = helper.make_graph(nodes, "mean", [taken], [given])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path


def test_weights_of_timm_with_the_normalisation_that_timm_names(tmp_path, photos):
    home = timm.create_model(NAME, num_classes=4).eval()
    save_file(home.state_dict(), tmp_path / "weights.safetensors")
    subject = load_subject(
        str(tmp_path / "weights.safetensors"), ModelConfig(architecture=NAME), CPU
    )
    mean, std = (torch.tensor(home.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    assert torch.allclose(subject.answer(photos), home((photos - mean) / std), atol=1e-5)
    assert subject.size == home.pretrained_cfg["input_size"][-1]


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "_orig_mod.module.", "net.", "backbone.encoder."]
)
def test_weights_as_wrappers_save_them(prefix, tmp_path, photos):
    home = timm.create_model(NAME, num_classes=4)
    paths = [tmp_path / name for name in ("plain.pth", "wrapped.pth")]
    torch.save(home.state_dict(), paths[0])
    wrapped = {f"{prefix}{name}": value for name, value in home.state_dict().items()}
    torch.save({"model_state_dict": wrapped, "epoch": 3}, paths[1])
    plain, other = (load_subject(str(p), ModelConfig(architecture=NAME), CPU) for p in paths)
    assert torch.equal(plain.answer(photos), other.answer(photos))


def test_weights_of_torchvision_with_mean_and_std_as_given(tmp_path, photos):
    home = get_model("mobilenet_v3_small", weights=None, num_classes=3).eval()
    torch.save({"state_dict": home.state_dict()}, tmp_path / "weights.pth")
    config = ModelConfig(architecture="torchvision:mobilenet_v3_small", mean=MEAN, std=STD)
    subject = load_subject(str(tmp_path / "weights.pth"), config, CPU)
    assert torch.allclose(subject.answer(photos), home(normalised(photos)), atol=1e-5)
    assert "0.4 0.5 0.6" in subject.input


def test_a_checkpoint_of_ours_for_other_photos(tmp_path, photos):
    run = RunConfig(method="erm", model="cnn", optimizer=OptimizerConfig(epochs=1))
    home = build_model("cnn", 7, 3, seed=1).eval()
    save_checkpoint(
        tmp_path / "last.ckpt",
        {"config": config_to_dict(run), "model": home.state_dict(), "epoch": 1},
    )
    subject = load_subject(str(tmp_path / "last.ckpt"), ModelConfig(), CPU)
    assert torch.allclose(subject.answer(photos), home(photos))
    assert subject.name == "erm, cnn"


def test_a_checkpoint_of_ours_names_its_own_outputs(tmp_path):
    run = RunConfig(method="erm", model="cnn", optimizer=OptimizerConfig(epochs=1))
    home = build_model("cnn", 5, 3, seed=1)
    old = {"config": config_to_dict(run), "model": home.state_dict(), "epoch": 1}
    digits = ("0 or 1", "2 or 3", "4 or 5", "6 or 7", "8 or 9")
    names = digits[::-1]
    save_checkpoint(tmp_path / "last.ckpt", old | {"class_names": list(names)})
    save_checkpoint(tmp_path / "old.ckpt", old)
    for file, given, outputs in (
        ("last.ckpt", (), names),
        ("last.ckpt", digits, digits),
        ("old.ckpt", (), digits),  # what its own data names
    ):
        subject = load_subject(str(tmp_path / file), ModelConfig(outputs=given), CPU)
        assert subject.outputs == outputs


@pytest.mark.parametrize("batch", ["batch", 2])
def test_onnx_with_any_batch_and_with_a_fixed_one(tmp_path, photos, batch):
    path = write_onnx(tmp_path / "model.onnx", batch)
    subject = load_subject(str(path), ModelConfig(mean=MEAN, std=STD), CPU)
    assert torch.allclose(subject.answer(photos), normalised(photos).mean((2, 3)), atol=1e-5)
    assert subject.module is None


def test_torchscript_and_exported_programs_need_trust(tmp_path, photos, small):
    script, program = tmp_path / "model.ts", tmp_path / "model.pt2"
    torch.jit.trace(small, photos).save(script)
    torch.export.save(torch.export.export(small, (photos,)), program)
    for path in (script, program):
        with pytest.raises(ValueError, match=r"may run code that is in it: set model.trust"):
            load_subject(str(path), ModelConfig(), CPU)
        subject = load_subject(str(path), ModelConfig(trust=True), CPU)
        assert torch.allclose(subject.answer(photos), small(photos), atol=1e-6)


def test_torchscript_with_weights_is_audited_from_outside(tmp_path, photos):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 2),
    ).eval()  # fmt: skip
    torch.jit.trace(net, photos).save(tmp_path / "net.TS")
    subject = load_subject(str(tmp_path / "net.TS"), ModelConfig(trust=True), CPU)
    assert subject.module is None
    assert torch.allclose(subject.answer(photos), net(photos), atol=1e-6)
    found = audit(subject, make_samples(60), AuditConfig())
    assert found.photos == 60


def test_a_function_of_the_working_directory(tmp_path, photos, monkeypatch):
    (tmp_path / "my_model.py").write_text(
        "import torch\n"
        "def make():\n"
        "    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())\n"
        "def number():\n"
        "    return 3\n"
        "def needs(size):\n"
        "    return size\n"
    )
    (tmp_path / "half_written.py").write_text("def make(:\n")
    monkeypatch.chdir(tmp_path)
    subject = load_subject("my_model:make", ModelConfig(), CPU)
    assert torch.allclose(subject.answer(photos), photos.mean((2, 3)))
    with pytest.raises(ValueError, match="my_model:number returns int"):
        load_subject("my_model:number", ModelConfig(), CPU)
    with pytest.raises(ValueError, match="nowhere:make cannot be imported"):
        load_subject("nowhere:make", ModelConfig(), CPU)
    with pytest.raises(ValueError, match=r"half_written:make cannot be imported \(invalid syntax"):
        load_subject("half_written:make", ModelConfig(), CPU)
    with pytest.raises(ValueError, match=r"my_model:needs raises TypeError .*without arguments"):
        load_subject("my_model:needs", ModelConfig(), CPU)


class Harmful:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["model.ckpt", "model.pth", "model.pt"])
@pytest.mark.parametrize(
    "config", [ModelConfig(), ModelConfig(architecture=NAME), ModelConfig(trust=True)]
)
def test_a_pickle_never_runs(tmp_path, name, config):
    torch.save({"model": Harmful(tmp_path / "ran"), "config": {}}, tmp_path / name)
    with pytest.raises(ValueError, match=name):
        load_subject(str(tmp_path / name), config, CPU)
    assert not (tmp_path / "ran").exists()


def test_probabilities_are_taken_for_what_they_are(photos, small):
    from causalogit.auditing.subject import of_module

    sure = of_module(nn.Sequential(small, nn.Softmax(1))).answer(photos)
    assert torch.allclose(sure.softmax(1), small(photos).softmax(1), atol=1e-6)


@pytest.mark.parametrize(
    ("content", "names"),
    [(b"\xef\xbb\xbfhot\r\ncold\r\n", ("hot", "cold")), ("hei\xdf\n".encode("latin-1"), None)],
)
def test_names_of_outputs_from_other_systems(tmp_path, content, names):
    (tmp_path / "names.txt").write_bytes(content)
    if names is None:
        with pytest.raises(ValueError, match=r"names\.txt is not UTF-8"):
            output_names(str(tmp_path / "names.txt"))
    else:
        assert output_names(str(tmp_path / "names.txt")) == names


def test_the_order_of_numbers_is_not_guessed():
    numbers = [str(number) for number in range(1, 12)]
    with pytest.raises(ValueError, match=r"sorted as such or as text \(1, 10, 2"):
        require_one_order(numbers, None)
    require_one_order(numbers, numbers)
    require_one_order(numbers[:9], None)
    require_one_order(["cat", "dog"], None)


def test_names_of_outputs_from_a_file_or_a_text(tmp_path):
    (tmp_path / "names.txt").write_text("hot\ncold\n\nwarm\n")
    path = write_onnx(tmp_path / "model.onnx")
    file = str(tmp_path / "names.txt")
    for given in (file, (file,), "hot,cold, warm", ("hot", "cold", "warm")):
        found = load_subject(str(path), ModelConfig(outputs=given), CPU)
        assert found.outputs == ("hot", "cold", "warm")
    for given, message in (("names.text", "there is no such file"), ("a,b,a", "names 'a' twice")):
        with pytest.raises(ValueError, match=message):
            load_subject(str(path), ModelConfig(outputs=given), CPU)


def test_a_checkpoint_of_lightning_is_read_where_its_architecture_is_named(tmp_path, photos):
    home = timm.create_model(NAME, num_classes=4)
    states = {f"model.{name}": value for name, value in home.state_dict().items()}
    content = {"state_dict": states | {"loss.weight": torch.ones(4)}, "epoch": 3}
    torch.save(content, tmp_path / "epoch=3.ckpt")
    torch.save(home.state_dict(), tmp_path / "plain.pth")
    found, plain = (
        load_subject(str(tmp_path / name), ModelConfig(architecture=NAME), CPU)
        for name in ("epoch=3.ckpt", "plain.pth")
    )
    assert torch.equal(found.answer(photos), plain.answer(photos))
    with pytest.raises(ValueError, match=r"or name the model\.architecture of one from elsewhere"):
        load_subject(str(tmp_path / "epoch=3.ckpt"), ModelConfig(), CPU)
