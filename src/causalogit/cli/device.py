"""The device that an option names."""

from __future__ import annotations

import torch


def find_device(name: str) -> torch.device:
    """A device by its name; "auto" is the GPU where there is one.

    Raises:
        ValueError: it cannot be used here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device '{name}' cannot be used here: set it to auto") from error
