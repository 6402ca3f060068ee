"""Classifiers in formats of others: ONNX, TorchScript, torch.export."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from causalogit.auditing.config import ModelConfig
from causalogit.auditing.subject import Subject
from causalogit.config.check import one_line
from causalogit.onnx_session import open_onnx

SCRIPTS: Final = (".pt", ".pth", ".ts")


def read_onnx(path: Path, config: ModelConfig) -> Subject:
    """A classifier as an ONNX file: one input of images, the first output is the logits.

    Its graph is data: nothing of it is run but its operators. It computes on the CPU.

    Raises:
        ValueError: onnxruntime is missing, the file is damaged, or its input is no batch of images.
    """
    session = open_onnx(path, "onnx", gpu=False)
    inputs = session.get_inputs()
    shape = inputs[0].shape if len(inputs) == 1 else []
    if len(shape) != 4 or inputs[0].type != "tensor(float)":
        found = ", ".join(f"{i.name} {i.shape} {i.type}" for i in inputs)
        raise ValueError(
            f"{path} takes {found}: an audit needs one input of images, float (B, K, H, W)"
        )
    batch, channels, height, width = shape
    if isinstance(height, int) and height != width:
        raise ValueError(f"{path} takes images of {height} x {width} pixels: only squares are read")
    if isinstance(channels, int) and channels not in (1, 3):
        raise ValueError(f"{path} takes images of {channels} channels: 1 or 3 are read")

    def forward(photos: Tensor) -> Tensor:
        at_once = batch if isinstance(batch, int) else len(photos)
        parts = []
        for some in photos.split(at_once):
            # a fixed batch wants to be full
            full = torch.cat([some, some[:1].expand(at_once - len(some), -1, -1, -1)])
            parts.append(_run(session, inputs[0].name, full)[: len(some)])
        return torch.cat(parts)

    size = height if isinstance(height, int) else None
    return _of_file(path, forward, config, size=size)


def read_exported(path: Path, config: ModelConfig, device: torch.device) -> Subject:
    """A program of `torch.export` (.pt2).

    Raises:
        ValueError: it is not trusted, or cannot be read.
    """
    _need_trust(path, config.trust, "a program of torch.export")
    try:
        module = torch.export.load(path).module().to(device)
    except Exception as error:  # of the archive, of the unpickler, of an operator
        raise ValueError(f"{path} is no program of torch.export ({one_line(error)})") from error
    # it has no train and eval, and no layers to look into
    return replace(_of_file(path, module, config), device=device)


def _of_file(
    path: Path, forward: Callable[[Tensor], Tensor], config: ModelConfig, size: int | None = None
) -> Subject:
    """A subject of which only the answers are known."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (config.mean, config.std))

    def normalized(photos: Tensor) -> Tensor:
        return forward((photos - mean.to(photos)) / std.to(photos) if config.mean else photos)

    words = words_for(config.mean, config.std)
    digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    return Subject(path.name, normalized, f"{digest}, {words}", words, size=size)


def words_for(mean: Sequence[float], std: Sequence[float]) -> str:
    """What becomes of a photo before the classifier sees it."""
    if not len(mean):
        return "photos in [0, 1], not normalised"
    told = [" ".join(f"{value:g}" for value in values) for values in (mean, std)]
    return f"photos in [0, 1], less the mean {told[0]}, over the std {told[1]}"


def _run(session: Any, name: str, photos: Tensor) -> Tensor:
    try:
        return torch.from_numpy(session.run(None, {name: photos.contiguous().numpy()})[0])
    except Exception as error:  # onnxruntime has a class for each kind of failure
        raise RuntimeError(one_line(error)) from error


def read_script(path: Path, trust: bool) -> nn.Module:
    """A module that was saved by TorchScript.

    Raises:
        ValueError: it is not trusted, or cannot be read.
    """
    _need_trust(path, trust, "TorchScript")
    try:
        script: nn.Module = torch.jit.load(str(path), map_location="cpu")
    except Exception as error:  # of the archive, or of an operator
        raise ValueError(
            f"{path} is no TorchScript ({one_line(error)}); a module that was pickled whole is not "
            "read: save its state_dict() and name its model.architecture"
        ) from error
    return script.eval()


def _need_trust(path: Path, trust: bool, kind: str) -> None:
    if not trust:
        raise ValueError(
            f"{path} is no file of weights alone, and to read {kind} may run code that is in it: "
            "set model.trust to true if you know where it comes from, or save the weights as "
            ".safetensors and name their model.architecture"
        )
