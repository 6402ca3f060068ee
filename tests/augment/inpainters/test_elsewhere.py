"""Inpainters from elsewhere: LaMa's files, diffusers' pipelines, and the images they leave."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from causalogit.augment import find_inpainter
from causalogit.augment.inpainters import Kept, painter, read_lama
from tests.masks.nets import write_brightness_model

onnx = pytest.importorskip("onnx")


def write_onnx(path, side="S", scale=1.0):
    """image * (1 - mask) + 0.75 * mask, times a scale."""
    from onnx import TensorProto, helper

    batch = 1 if isinstance(side, int) else "B"
    shapes = {"image": [batch, 3, side, side], "mask": [batch, 1, side, side]}
    nodes = [
        helper.make_node("Sub", ["one", "mask"], ["known"]),
        helper.make_node("Mul", ["image", "known"], ["kept"]),
        helper.make_node("Mul", ["mask", "colour"], ["new"]),
        helper.make_node("Add", ["kept", "new"], ["whole"]),
        helper.make_node("Mul", ["whole", "scale"], ["output"]),
    ]
    constants = {"one": 1.0, "colour": 0.75, "scale": scale}
    graph = helper.make_graph(
        nodes,
        "painter",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shapes[n]) for n in shapes],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shapes["image"])],
        [helper.make_tensor(n, TensorProto.FLOAT, [1], [v]) for n, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    return path


class Script(torch.nn.Module):
    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        assert image.shape[2] % 8 == 0
        return image * (1 - mask) + 0.75 * mask


def masked(channels=3):
    images = torch.rand(3, channels, 20, 20)
    masks = torch.zeros(3, 1, 20, 20)
    masks[:, :, 5:12, 6:15] = 1
    return images, masks


@pytest.mark.parametrize(("side", "scale"), [("S", 1.0), ("S", 255.0), (32, 255.0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_onnx_file(tmp_path, side, scale, channels):
    images, masks = masked(channels)
    file = write_onnx(tmp_path / "lama.onnx", side, scale)
    fill = find_inpainter(str(file), kept=tmp_path / "kept")
    filled = fill(images, masks, torch.zeros(3), torch.Generator())
    outside = (masks == 0).expand_as(images)
    assert torch.equal(filled[outside], images[outside])
    inside = filled[..., 7:10, 8:13]
    assert torch.allclose(inside, torch.full_like(inside, 0.75), atol=1e-2)
    assert len(list((tmp_path / "kept").glob("*.png"))) == 3


def test_torchscript_is_read_where_it_is_trusted(tmp_path):
    images, masks = masked()
    file = tmp_path / "big-lama.pt"
    torch.jit.script(Script()).save(str(file))
    with pytest.raises(ValueError, match=r"may run code that is in it: set clp\.inpainter\.trust"):
        find_inpainter(str(file))
    fill = find_inpainter(str(file), trust=True, kept=tmp_path / "kept")
    filled = fill(images, masks, torch.zeros(3), torch.Generator())
    assert torch.allclose(filled[..., 5:12, 6:15], torch.tensor(0.75), atol=2e-3)


def test_models_that_do_something_else(tmp_path):
    file = write_brightness_model(tmp_path / "one.onnx")
    with pytest.raises(ValueError, match="give a model of two inputs, images"):
        read_lama(file)
    file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not a model that onnxruntime reads"):
        read_lama(file)
    script = tmp_path / "nothing.pt"
    script.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no TorchScript"):
        read_lama(script, trust=True)
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(script))
    with pytest.raises(ValueError, match=r"cannot be used .*: give a model that takes images"):
        read_lama(script, trust=True)


def test_names_that_are_none(tmp_path):
    with pytest.raises(ValueError, match="inpainter 'lama' is not known: give a"):
        find_inpainter("lama")
    with pytest.raises(ValueError, match="there is no such file"):
        find_inpainter(str(tmp_path / "missing.onnx"))
    with pytest.raises(ValueError, match=r"path .* is no folder"):
        find_inpainter("hf:any/model", path=tmp_path / "missing")


def test_every_image_is_painted_once(tmp_path):
    asked = []

    def paint(images, holes):
        asked.append(len(images))
        return torch.where(holes == 1, 0.75, images)

    images, masks = masked()
    fill = Kept(paint, "one", tmp_path, at_once=2)
    draws = torch.Generator()
    first = fill(images, masks, torch.zeros(3), draws)
    assert asked == [2, 1]
    again = Kept(paint, "one", tmp_path)(images.flip(0), masks, torch.zeros(3), draws)
    assert asked == [2, 1]
    assert torch.equal(again.flip(0), first)
    fill(images[:1], 1 - masks[:1], torch.zeros(1), draws)  # another hole
    Kept(paint, "two", tmp_path)(images[:1], masks[:1], torch.zeros(1), draws)
    assert asked == [2, 1, 1, 1]
    for file in tmp_path.glob("*.png"):
        file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"cannot be read .*: delete it"):
        fill(images, masks, torch.zeros(3), draws)


def test_a_pipeline_is_called_as_diffusers_wants_it(tmp_path):
    calls = []

    def pipeline(prompt, image, mask_image, height, width, generator):
        calls.append((prompt, generator.initial_seed()))
        assert image.size == mask_image.size == (width, height) == (512, 512)
        assert image.mode == mask_image.mode == "RGB"
        grey = Image.new("RGB", (512, 512), (191, 191, 191))
        return SimpleNamespace(images=[Image.composite(grey, image, mask_image.convert("L"))])

    images, masks = masked()
    filled = Kept(painter(pipeline, "sand"), "stand-in", tmp_path)(
        images, masks, torch.zeros(3), torch.Generator()
    )
    assert calls == [("sand", 0)] * 3
    inside = filled[..., 7:10, 8:13]
    assert torch.allclose(inside, torch.full_like(inside, 0.75), atol=1e-2)


def test_diffusers_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ValueError, match="hf:some/model needs diffusers, which is missing: pip"):
        find_inpainter("hf:some/model")
