"""Weights to start from, read from a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from causalogit.core.classifier import find_head

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pth.tar")


def load_weights(model: nn.Module, path: Path, num_classes: int) -> None:
    """Fill `model` with the weights of a file, in place.

    The last layer is taken from the file where it has the same shape there. Otherwise (another
    number of classes, or a backbone alone) it stays as it is. Everything else must be in the file,
    with the model's names and shapes.

    Args:
        model: ends in an `nn.Linear` with C outputs.
        path: a state dict, .safetensors or .pth.
        num_classes: C.

    Raises:
        ValueError: the file cannot be read safely, or does not fit the model.
    """
    own = model.state_dict()
    found = unwrapped(read_weights(path), own)
    head = {name for name in own if name.startswith(f"{find_head(model, num_classes)[0]}.")}
    if any(name not in found or found[name].shape != own[name].shape for name in head):
        found = {name: value for name, value in found.items() if name not in head}
    # batch norm counts its batches, but with a momentum nothing depends on it; old files have none
    optional = head | {name for name in own if name.endswith(".num_batches_tracked")}
    broken = [name for name, value in found.items() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(
            f"{path} has values that are not finite ({_some(broken)}): it is damaged, or training "
            "had failed; choose another file"
        )
    faults = {
        "lacks": [name for name in own if name not in found and name not in optional],
        "has no use for": [name for name in found if name not in own],
        "differs in the shape of": [
            name for name in own if name in found and found[name].shape != own[name].shape
        ],
    }
    if any(faults.values()):
        told = "; ".join(f"{fault} {_some(names)}" for fault, names in faults.items() if names)
        raise ValueError(
            f"{path} does not fit the model (file against {type(model).__name__}: {told}): choose "
            "the model that these weights belong to"
        )
    model.load_state_dict(found, strict=False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict of a file, on the CPU, read without running code.

    All but .safetensors are pickles, and may hold the state dict under "state_dict" (as Lightning
    has it), "model_state_dict", "model" or "net", as training scripts write it.

    Raises:
        ValueError: there is no such file, or it holds no weights that can be read safely.
    """
    content = _content(path)
    for key in ("state_dict", "model_state_dict", "model", "net"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not _all_tensors(content):
        raise ValueError(f"weights {path}: the file holds no state dict (tensors by name)")
    return dict(content)


def run_weights(path: Path) -> dict[str, Tensor] | None:
    """The state dict of a checkpoint of a run; None of any other file.

    Raises:
        ValueError: there is no such file, or it cannot be read safely.
    """
    content = _content(path)
    return read_weights(path) if isinstance(content, dict) and "config" in content else None


def _content(path: Path) -> Any:
    if not path.name.lower().endswith(SUFFIXES):
        raise ValueError(
            f"weights '{path}': give 'pretrained', or a file that ends in "
            f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    if not path.is_file():
        raise ValueError(f"weights {path}: there is no such file")
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"weights {path} cannot be read safely ({type(error).__name__}): the file is "
            "truncated, holds more than tensors (a whole module, options of a script), or is no "
            "file of weights; where it was made, save these alone: torch.save(model.state_dict(), "
            "'weights.pth')"
        ) from error


def unwrapped(found: dict[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
    """Without what DDP, torch.compile or a module around it put before the names of a state dict.

    What is beside the model there, such as the class weights of a loss, is left out.

    Args:
        found: the state dict.
        names: of the model's own; where one of them is found, nothing is taken off.
    """
    if any(name in names for name in found):
        return found
    prefixes = Counter(
        name.removesuffix(own) for name in found for own in names if name.endswith(f".{own}")
    )
    if not prefixes:
        return found
    prefix = prefixes.most_common(1)[0][0]
    return {n.removeprefix(prefix): v for n, v in found.items() if n.startswith(prefix)}


def _all_tensors(content: Mapping[Any, Any]) -> bool:
    return all(isinstance(n, str) and isinstance(value, Tensor) for n, value in content.items())


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + rest
