"""The classifier to be audited, read from a file: ours, or from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from causalogit.auditing.config import ModelConfig
from causalogit.auditing.foreign import (
    SCRIPTS,
    read_exported,
    read_onnx,
    read_script,
    words_for,
)
from causalogit.auditing.outputs import output_names
from causalogit.auditing.subject import Subject, of_module
from causalogit.core.classifier import find_head
from causalogit.models import (
    Normalized,
    build_model,
    known_normalisation,
    load_weights,
    read_function,
)
from causalogit.models.weights import SUFFIXES, read_weights, unwrapped
from causalogit.train.checkpoint import OURS
from causalogit.train.load import load_classifier

_OURS_OR_NAMED = f"{OURS}, or name the model.architecture of one from elsewhere"


def load_subject(place: str, config: ModelConfig, device: torch.device) -> Subject:
    """A classifier by its file, or by the function that makes it.

    | `place` | read as | runs code from it |
    |---|---|---|
    | `.ckpt` | a checkpoint of a run | no |
    | with `architecture` | weights of timm or torchvision, see `models.read_weights` | no |
    | `.onnx` | ONNX, through onnxruntime | no |
    | `.pt`, `.pth`, `.ts` without `architecture` | TorchScript | needs `trust` |
    | `.pt2` | `torch.export` | needs `trust` |
    | `module:function` | what the function returns: an `nn.Module` | it is your own |

    Args:
        place: the file, or "module:function" (looked for in the working directory as well).
        config: how to read it.
        device: where it computes (ONNX: the CPU).

    Raises:
        ValueError: there is no such file, or it cannot be read safely, or it fits nothing.
    """
    path = Path(place)
    kind = path.suffix.lower()
    if ":" in place and not path.exists() and not path.name.lower().endswith((*SUFFIXES, ".onnx")):
        module, words = _normalized(read_function(place), config, None)
        subject = of_module(module.to(device).eval(), name=place, input_words=words)
    elif not path.is_file():
        raise ValueError(
            f"{place}: there is no such file; give a checkpoint (.ckpt, .safetensors, .pth, .onnx, "
            ".pt2, TorchScript), or module:function"
        )
    elif kind == ".onnx":
        subject = read_onnx(path, config)
    elif config.architecture is not None:
        subject = _weights(path, config, device)
    elif kind == ".ckpt":
        require_own_input(path, config)
        module, run, names = load_classifier(path, remedy=_OURS_OR_NAMED)
        subject = replace(
            of_module(module.to(device), name=f"{run.method}, {run.model}"),
            size=run.data.image_size,
            outputs=names,
        )
    elif kind == ".pt2":
        subject = read_exported(path, config, device)
    elif kind in SCRIPTS and not is_state_dict(path):
        module, words = _normalized(read_script(path, config.trust), config, None)
        subject = of_module(module.to(device), name=path.name, input_words=words)
    else:
        raise ValueError(
            f"{path} holds weights alone: say what they belong to with model.architecture, a model "
            "of timm (resnet18) or of torchvision (torchvision:resnet18)"
        )
    return replace(subject, outputs=output_names(config.outputs) or subject.outputs)


def require_own_input(path: Path, config: ModelConfig) -> None:
    """Refuse a normalisation for a checkpoint of a run, which holds its own.

    Raises:
        ValueError: the config has one.
    """
    if config.mean:
        raise ValueError(
            f"model.mean and model.std are given, but {path} is a checkpoint of a run, which holds "
            "its own: leave them out"
        )


def _weights(path: Path, config: ModelConfig, device: torch.device) -> Subject:
    """A state dict in the architecture that it belongs to."""
    name = config.architecture or ""
    probe = build_model(name, 2, 3, seed=0)
    found = unwrapped(read_weights(path), probe.state_dict())
    head = find_head(probe, None)[0]
    if f"{head}.weight" not in found:
        raise ValueError(
            f"{path} does not fit {name}: it has no {head}.weight; set model.architecture to the "
            "model that these weights belong to"
        )
    classes = len(found[f"{head}.weight"])
    module = build_model(name, classes, 3, seed=0)
    load_weights(module, path, classes)
    known: Mapping[str, Any] = getattr(probe, "pretrained_cfg", None) or {}
    usual = known_normalisation(probe, name)
    whole, words = _normalized(module, config, usual)
    subject = of_module(whole.to(device).eval(), name=name, input_words=words)
    size = known.get("input_size", (3, 224, 224) if usual else None)
    return replace(subject, size=None if size is None else int(size[-1]))


def _normalized(
    module: nn.Module, config: ModelConfig, usual: tuple[Any, Any] | None
) -> tuple[nn.Module, str]:
    """A module that takes photos in [0, 1], and how it makes of them what it was trained on."""
    mean, std = (config.mean, config.std) if config.mean else usual or ((), ())
    return Normalized(module, mean, std) if len(mean) else module, words_for(mean, std)


def is_state_dict(path: Path) -> bool:
    """Whether a file is a pickle of tensors alone; a zip archive of TorchScript is none."""
    try:
        read_weights(path)
    except ValueError:
        return False
    return True
