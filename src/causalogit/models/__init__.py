"""Classifiers by name: ours for small images, and every model of timm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from causalogit.models.lenet import LeNet
from causalogit.models.resnet32 import ResNet32

MODELS: dict[str, Callable[[int, int], nn.Module]] = {"lenet": LeNet, "resnet32": ResNet32}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Fresh weights made inside depend on `seed` alone; the global random state is put back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def build_model(name: str, num_classes: int, channels: int, seed: int) -> nn.Module:
    """A classifier with fresh weights that depend on `seed` alone.

    Args:
        name: "lenet", "resnet32", or a model of timm (an "img_size" comes from the model's name).
        num_classes: C.
        channels: image channels.
        seed: of the initial weights; the global random state stays as it is.

    Raises:
        ValueError: no model has this name.
    """
    with seeded(seed):
        if name in MODELS:
            return MODELS[name](num_classes, channels)
        import timm

        if not timm.is_model(name):
            close = timm.list_models(f"*{name.split('_', maxsplit=1)[0]}*")[:5]
            raise ValueError(
                f"model '{name}' is not known: choose 'lenet', 'resnet32' or a model of timm"
                + (f", such as {close}" if close else "")
            )
        model: nn.Module = timm.create_model(name, num_classes=num_classes, in_chans=channels)
        return model


__all__ = ["MODELS", "LeNet", "ResNet32", "build_model", "seeded"]
