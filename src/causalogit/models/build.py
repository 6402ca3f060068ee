"""A model by its name, with fresh weights or with given ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from causalogit.core.classifier import find_head
from causalogit.models.cifar_resnet import CifarResNet
from causalogit.models.cnn import SmallCNN
from causalogit.models.elsewhere import (
    IMAGENET,
    TORCHVISION,
    is_function,
    model_from_elsewhere,
)
from causalogit.models.lenet import LeNet
from causalogit.models.normalized import Normalized, kept_normalisation
from causalogit.models.weights import load_weights, run_weights
from causalogit.models.wide_resnet import WideResNet

MODELS: dict[str, Callable[[int, int], nn.Module]] = {
    "lenet": LeNet,
    "cnn": SmallCNN,
    **{f"resnet{depth}": partial(CifarResNet, depth) for depth in (8, 20, 32)},
    "wrn16_1": partial(WideResNet, 16, 1),
    "wrn28_10": partial(WideResNet, 28, 10),
}
"""Ours, by name: `(num_classes, channels)` to a model with fresh weights."""

PRETRAINED = "pretrained"


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Fresh weights made inside depend on `seed` alone; the global random state is put back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def build_model(
    name: str,
    num_classes: int,
    channels: int,
    seed: int,
    weights: str | None = None,
    *,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    state: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    """A classifier for images in [0, 1]; whatever is fresh in it depends on `seed` alone.

    With `mean` and `std` the model normalises its input by them (`Normalized`). Without, one whose
    `weights` are a checkpoint of a run does as the model there did, and a model of timm or
    torchvision with other `weights` by those that it is known to need; every other model takes
    images as they are. Convolutions keep their weights channels last and so compute, whatever
    the images' layout: 1.2 to 1.7 times as fast on a CPU.

    Args:
        name: one of `MODELS`, a model of timm (an "img_size" comes from the model's name),
            "torchvision:NAME", or "module:function" for what a function of yours returns.
        num_classes: C.
        channels: image channels.
        seed: of the initial weights; the global random state stays as it is.
        weights: None for fresh ones, "pretrained" for those that timm downloads, or a file; the
            last layer is fresh where it has another shape.
        mean: of the channels, K values, with `std`; empty for those that are known, or none.
        std: of the channels, K values.
        state: what will be loaded into the model: it normalises its input if the one there did,
            and `weights` are not read, which takes neither the file nor the network.

    Raises:
        ValueError: no model has this name, or the weights cannot be had or do not fit.
    """
    ours = name in MODELS
    elsewhere = ":" in name
    if (ours or elsewhere) and weights == PRETRAINED:
        raise ValueError(
            f"model '{name}' has no weights to download: give a file, or choose a model of timm"
        )
    with seeded(seed):
        if ours:
            model = MODELS[name](num_classes, channels)
        elif elsewhere:
            model = model_from_elsewhere(name, num_classes)
        else:
            download = weights == PRETRAINED and state is None
            model = _timm_model(name, num_classes, channels, download)
            if weights is not None:
                _calm_head(model, num_classes, weights == PRETRAINED)
    file = Path(weights) if weights not in (None, PRETRAINED) and state is None else None
    of_run = state if file is None else run_weights(file)
    if of_run is not None and not is_function(name):  # whose own names may be those of Normalized
        mean, std = (mean, std) if file and len(mean) else kept_normalisation(of_run)
    elif not len(mean) and weights is not None:
        mean, std = known_normalisation(model, name) or ((), ())
    whole = _normalized(model, name, channels, mean, std) if len(mean) else model
    if file is not None:
        load_weights(model, file, num_classes)
    return whole.to(memory_format=torch.channels_last)


def _timm_model(name: str, num_classes: int, channels: int, download: bool) -> nn.Module:
    import timm

    if not timm.is_model(name):
        close = timm.list_models(f"*{name.split('_', maxsplit=1)[0]}*")[:5]
        raise ValueError(
            f"model '{name}' is not known: choose {', '.join(MODELS)} or a model of timm"
            + (f", such as {close}" if close else "")
        )
    try:
        model: nn.Module = timm.create_model(
            name, num_classes=num_classes, in_chans=channels, pretrained=download
        )
    except Exception as error:  # of the hub, of its network library, of timm
        if not download:
            raise
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(
            f"the weights of '{name}' cannot be downloaded ({reason}): give a file of them as "
            "weights, such as weights=model.safetensors"
        ) from error
    return model


def _calm_head(model: nn.Module, num_classes: int, downloaded: bool) -> None:
    """Give a last layer that the weights do not reach torch's usual initial weights.

    Those of some timm models grow as there are fewer classes (EfficientNet's are uniform up to
    1 / sqrt(C)): on features that are not zero any more, the first steps then undo them.
    """
    if not (downloaded and vars(model)["pretrained_cfg"].get("num_classes") == num_classes):
        find_head(model, num_classes)[1].reset_parameters()


def known_normalisation(
    model: nn.Module, name: str
) -> tuple[Sequence[float], Sequence[float]] | None:
    """Mean and std that the weights of a model of this name want; None where none are known."""
    if name in MODELS or is_function(name):
        return None
    if name.startswith(TORCHVISION):
        return IMAGENET
    config: Mapping[str, Any] = vars(model).get("pretrained_cfg") or {}
    return (config["mean"], config["std"]) if "mean" in config else None


def _normalized(
    model: nn.Module, name: str, channels: int, mean: Sequence[float], std: Sequence[float]
) -> Normalized:
    if len(mean) != channels:
        raise ValueError(
            f"mean and std of '{name}' are for images of {len(mean)} channels, not {channels}: "
            "leave weights out that they came with, or give as many values"
        )
    return Normalized(model, mean, std)


__all__ = ["MODELS", "build_model", "known_normalisation", "seeded"]
