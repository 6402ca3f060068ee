"""Architectures that are neither ours nor timm's: torchvision's, and those of a user's function."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from torch import nn

from causalogit.config.check import one_line

TORCHVISION: Final = "torchvision:"
"""Begins the names of torchvision's models, such as "torchvision:resnet18"."""

IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and std that all of torchvision's classifiers were trained with."""


def is_function(name: str) -> bool:
    """Whether a model's name is module:function."""
    return ":" in name and not name.startswith(TORCHVISION)


def model_from_elsewhere(name: str, num_classes: int) -> nn.Module:
    """A model of torchvision with fresh weights, or what module:function returns, as it is.

    Raises:
        ValueError: there is no such model or function, or it returns no module.
    """
    if is_function(name):
        return read_function(name)
    from torchvision.models import get_model, list_models

    plain = name.removeprefix(TORCHVISION)
    if plain not in list_models():
        raise ValueError(f"model '{name}' is not known to torchvision")
    model: nn.Module = get_model(plain, weights=None, num_classes=num_classes)
    return model


def read_function(place: str) -> nn.Module:
    """What `module:function` returns; the module may lie in the working directory.

    Naming a function is consent to run it. A checkpoint names that of its run, so whoever sends one
    can name any that is installed here: Python's own, which build no networks, are not called.

    Raises:
        ValueError: there is none, or it fails, or it returns no module.
    """
    module_name, _, name = place.partition(":")
    if module_name.partition(".")[0] in sys.stdlib_module_names:
        raise ValueError(f"{place} is a function of Python's own: name one that returns a network")
    with _working_directory():
        try:
            make = getattr(importlib.import_module(module_name), name)
        except (Exception, SystemExit) as error:  # whatever the user's module does
            raise ValueError(
                f"{place} cannot be imported ({one_line(error)}): give module:function of a module "
                "that lies in this folder or is installed"
            ) from error
        try:
            module = make()
        except (Exception, SystemExit) as error:
            raise ValueError(
                f"{place} raises {type(error).__name__} ({one_line(error)}): it is called without "
                "arguments, and must return an nn.Module"
            ) from error
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"{place} returns {type(module).__name__}: it must return an nn.Module that maps "
            "photos (B, 3, H, W) to logits (B, C)"
        )
    return module


@contextmanager
def _working_directory() -> Iterator[None]:
    """Modules are found where the command is run, as `python -m` finds them."""
    sys.path.insert(0, "")
    try:
        yield
    finally:
        sys.path.remove("")
