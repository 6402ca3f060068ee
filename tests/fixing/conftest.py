"""Photos of discs in a folder, a classifier that goes by their ground, and one who finds discs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image

from tests.auditing.conftest import make_samples

SIDE = 32

# the classes of a folder come in alphabetical order: cold, hot; "cold" discs lie on dark ground
NET = """
import torch

def make():
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(6, {outputs}),
    )
    with torch.no_grad():
        for layer in (layers[0], layers[4]):
            layer.weight.zero_()
            layer.bias.zero_()
        for unit, channel in enumerate((0, 1, 2)):  # channels and what is left of them
            layers[0].weight[unit, channel] = 1
            layers[0].weight[unit + 3, channel] = -1
            layers[0].bias[unit + 3] = 1
        layers[4].weight[0, 1], layers[4].weight[1, 1] = -6, 6
        layers[4].bias[0], layers[4].bias[1] = 3, -3
    return layers
"""


def write_photos(root: Path, count: int = 240, correlation: float = 0.95) -> None:
    """Discs in the folder `photos`, their masks in `masks`, and the nets in `discs.py`."""
    samples = make_samples(count, correlation)
    images, masks = samples.images.read(torch.arange(count))
    for place, (image, mask) in enumerate(zip(images, masks, strict=True)):
        label = samples.class_names[samples.labels[place]]
        for kind, pixels in (("photos", image.permute(1, 2, 0)), ("masks", mask[0])):
            file = root / kind / label / f"{place}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 255).round().numpy().astype(np.uint8)).save(file)
    (root / "discs.py").write_text(NET.format(outputs=2))
    (root / "three.py").write_text(NET.format(outputs=3))


def write_finder(path: Path) -> Path:
    """A segmenter as .onnx: object is where a pixel is red or blue."""
    nodes = [
        helper.make_node("Mul", ["images", "colours"], ["coloured"]),
        helper.make_node("ReduceMax", ["coloured", "axes"], ["masks"], keepdims=1),
    ]
    shape = ["B", 3, SIDE, SIDE]
    graph = helper.make_graph(
        nodes,
        "finder",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("masks", TensorProto.FLOAT, ["B", 1, SIDE, SIDE])],
        [
            helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
            helper.make_tensor("colours", TensorProto.FLOAT, [1, 3, 1, 1], [1.0, 0.0, 1.0]),
        ],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with photos, masks and nets."""
    write_photos(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("discs", "three"):
        sys.modules.pop(name, None)
