"""ONNX files are opened here, whoever needs one: a classifier, a segmenter, an inpainter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def need_onnxruntime(name: str, extra: str) -> Any:
    """The module onnxruntime.

    Args:
        name: of the file that it is wanted for.
        extra: of causalogit, that brings it.

    Raises:
        ValueError: it is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(
            f"{name} is run by onnxruntime, which is missing: pip install 'causalogit[{extra}]'"
        ) from error
    return onnxruntime


def open_onnx(path: Path, extra: str, *, gpu: bool = True) -> Any:
    """An `onnxruntime.InferenceSession`; what it opens is data, and runs nothing but its operators.

    Args:
        path: of the file.
        extra: of causalogit, that brings onnxruntime.
        gpu: compute on a GPU where there is one.

    Raises:
        ValueError: onnxruntime is missing, or cannot read the file.
    """
    onnxruntime = need_onnxruntime(path.name, extra)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors alone: they come back as exceptions
    there = set(onnxruntime.get_available_providers())
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")[0 if gpu else 1 :]
    providers = [name for name in wanted if name in there]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime has a class for each kind of damage
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is not a model that onnxruntime reads ({reason})") from error
