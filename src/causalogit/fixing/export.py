"""The new model in the user's own format: weights, a description, and ONNX if wanted."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from causalogit.config.check import one_line
from causalogit.core.classifier import find_head
from causalogit.files import write_bytes, write_json
from causalogit.models import MODELS, Normalized, build_model, is_function
from causalogit.models.elsewhere import TORCHVISION

WEIGHTS: Final = "model.safetensors"
CARD: Final = "model.json"
ONNX: Final = "model.onnx"

_CLOSE = 1e-4  # of logits, relative to the largest of them


def user_state(module: nn.Module, num_classes: int, order: Tensor | None = None) -> dict[str, Any]:
    """A state dict with the names of the user's own network, and its outputs in the user's order.

    Args:
        module: as training has it, with its normalisation around the network or without.
        num_classes: C.
        order: `(C,)`, class of each output of the user's network; None to leave them.
    """
    network = module.model if isinstance(module, Normalized) else module
    network = copy.deepcopy(network).cpu()
    if order is not None:
        head = find_head(network, num_classes)[1]
        with torch.no_grad():
            for values in head.parameters():
                values.copy_(values[order].clone())
    # copies, as tensors that share memory cannot be written
    return {n: v.detach().contiguous().clone() for n, v in network.state_dict().items()}


def write_weights(path: Path, state: dict[str, Tensor]) -> None:
    """Write a state dict as .safetensors, whole or not at all."""
    content = save(state, {"format": "pt"})
    write_bytes(path, content)


def write_model(
    out: Path,
    module: nn.Module,
    architecture: str,
    class_names: Sequence[str],
    order: Tensor,
    photos: Tensor,
) -> dict[str, Any]:
    """Write `model.safetensors` and `model.json`.

    What was written is read back into a fresh network of the architecture and must give the same
    logits.

    Args:
        out: the folder.
        module: the trained classifier, on the CPU.
        architecture: its name for `build_model`.
        class_names: C of them, in the order of training.
        order: `(C,)`, class of each output of the user's network.
        photos: some, `(B, K, S, S)` in [0, 1].

    Returns:
        The content of `model.json`.

    Raises:
        ValueError: the weights do not answer like the trained classifier.
    """
    module = copy.deepcopy(module).eval()
    write_weights(out / WEIGHTS, user_state(module, len(class_names), order))
    whole = _read_back(out, module, architecture, len(class_names), photos.shape[1])
    with torch.no_grad():
        _require_same(whole(photos), module(photos)[:, order], out / WEIGHTS)
    card = _card(whole, architecture, [class_names[place] for place in order.tolist()], photos)
    write_json(out / CARD, card)
    return card


def write_onnx(
    out: Path, module: nn.Module, card: Mapping[str, Any], photos: Tensor
) -> dict[str, Any]:
    """Write what `write_model` has written as `model.onnx`, too, and name that in `model.json`.

    Args:
        out: the folder, with all else in it: this may fail.
        module: the trained classifier, for its normalisation.
        card: what `write_model` gave.
        photos: some, `(B, K, S, S)` in [0, 1].

    Returns:
        The new content of `model.json`.

    Raises:
        ValueError: ONNX cannot express the network.
    """
    shape = tuple(photos.shape[1:])
    whole = _read_back(out, module, card["architecture"], len(card["classes"]), shape[0])
    with torch.no_grad():
        _export(out / ONNX, whole, photos, whole(photos))
    told = f"photos (B, {', '.join(map(str, shape))}) in [0, 1]; mean and std are inside"
    card = {**card, "onnx": {"file": ONNX, "input": told}}
    write_json(out / CARD, card)
    return card


def _read_back(
    out: Path, module: nn.Module, architecture: str, count: int, channels: int
) -> nn.Module:
    """The written weights in a fresh network, normalised as the trained classifier is."""
    network = build_model(architecture, count, channels, seed=0).eval()
    network.load_state_dict(load_file(out / WEIGHTS))
    if not isinstance(module, Normalized):
        return network
    mean, std = (value.flatten().tolist() for value in (module.mean, module.std))
    return Normalized(network, mean, std).eval()


def _card(
    whole: nn.Module, architecture: str, classes: Sequence[str], photos: Tensor
) -> dict[str, Any]:
    normalised = isinstance(whole, Normalized)
    values = (whole.mean, whole.std) if isinstance(whole, Normalized) else ()
    mean, std = (
        ([round(v, 6) for v in t.flatten().tolist()] for t in values) if values else ([], [])
    )
    return {
        "version": 1,
        "file": WEIGHTS,
        "architecture": architecture,
        "classes": list(classes),
        "input": {
            "size": list(photos.shape[2:]),
            "channels": photos.shape[1],
            "range": [0, 1],
            "resize": "short side to size, middle kept",
            "mean": mean if normalised else None,
            "std": std if normalised else None,
        },
        "load": loading_lines(architecture, len(classes), photos.shape[1]),
    }


def loading_lines(architecture: str, num_classes: int, channels: int) -> list[str]:
    """Two lines of Python that load the weights, and the imports that they need."""
    imports = "from safetensors.torch import load_file"
    if is_function(architecture):
        module, _, name = architecture.partition(":")
        imports, made = f"from {module} import {name}; {imports}", f"{name}()"
    elif architecture.startswith(TORCHVISION):
        plain = architecture.removeprefix(TORCHVISION)
        imports = f"from torchvision.models import get_model; {imports}"
        made = f'get_model("{plain}", num_classes={num_classes})'
    elif architecture in MODELS:
        imports = f"from causalogit.models import build_model; {imports}"
        made = f'build_model("{architecture}", {num_classes}, {channels}, seed=0)'
    else:
        grey = "" if channels == 3 else f", in_chans={channels}"
        imports = f"import timm; {imports}"
        made = f'timm.create_model("{architecture}", num_classes={num_classes}{grey})'
    return [imports, f"model = {made}.eval()", f'model.load_state_dict(load_file("{WEIGHTS}"))']


def require_onnx() -> None:
    """Refuse to write ONNX where it could not be checked.

    Raises:
        ValueError: onnxruntime is missing.
    """
    if find_spec("onnxruntime") is None:
        raise ValueError(
            "onnx is true: install onnxruntime for it, pip install 'causalogit[onnx]', or leave it "
            "out"
        )


def _export(path: Path, whole: nn.Module, photos: Tensor, expected: Tensor) -> None:
    import onnxruntime

    temporary = path.with_name(f".{path.name}")
    try:
        with warnings.catch_warnings():
            # the newer exporter needs another library; this one writes all that a backbone has
            warnings.simplefilter("ignore")
            torch.onnx.export(
                whole,
                (photos,),
                str(temporary),
                input_names=["photos"],
                output_names=["logits"],
                dynamic_axes={"photos": {0: "batch"}, "logits": {0: "batch"}},
                dynamo=False,
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(
            str(temporary), options, providers=["CPUExecutionProvider"]
        )
        given = session.run(None, {"photos": photos.contiguous().numpy()})[0]
        _require_same(torch.from_numpy(given), expected, path)
        temporary.replace(path)
    except ValueError:
        raise
    except Exception as error:  # of the exporter, of onnxruntime
        raise ValueError(
            f"the model cannot be written as ONNX ({one_line(error)}); everything else is there: "
            "leave onnx out"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _require_same(given: Tensor, expected: Tensor, path: Path) -> None:
    most = (given - expected).abs().max().item()
    if not most <= _CLOSE * max(1.0, expected.abs().max().item()):
        raise ValueError(
            f"{path} does not answer like the trained model (logits differ by {most:g}): please "
            "report this, with the architecture's name"
        )
