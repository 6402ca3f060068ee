"""A segmenter without weights, for tests: the brightness of a pixel is how much it is object."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

SIDE = 32


def write_brightness_model(
    path: Path, batch: int | str = "B", channels: int = 3, side: int | str = SIDE
) -> Path:
    """The mean over the colours of each pixel, as an .onnx file."""
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    node = helper.make_node("ReduceMean", ["images", "axes"], ["masks"], keepdims=1)
    graph = helper.make_graph(
        [node],
        "brightness",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, channels, side, side])],
        [helper.make_tensor_value_info("masks", TensorProto.FLOAT, [batch, 1, side, side])],
        [axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    return path
