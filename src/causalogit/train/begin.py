"""What must fit before a run begins: the device, the precision, the model."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from causalogit.config import RunConfig
from causalogit.config.check import one_line
from causalogit.modes import eval_mode
from causalogit.train.together import started_together

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def automatic() -> str:
    """What "auto" is: a GPU of NVIDIA or AMD where there is one.

    Not Apple's: it has no float64, which class statistics need.
    """
    return "cuda" if torch.cuda.is_available() else "cpu"


def find_device(name: str) -> torch.device:
    """A device by its name, or "auto".

    Raises:
        ValueError: it cannot be used here.
    """
    try:
        return torch.empty(0, device=automatic() if name == "auto" else name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device '{name}' cannot be used here: set it to auto") from error


def make_fabric(config: RunConfig) -> Fabric:
    """Lightning Fabric on the device and at the precision of the config.

    Under torchrun each process has a device of its own, and has met the others afterwards.

    Raises:
        ValueError: there is no such device here.
    """
    from lightning_fabric import Fabric  # seconds that only training has to wait for

    accelerator = automatic() if config.accelerator == "auto" else config.accelerator
    try:
        if started_together() == 1:
            return Fabric(accelerator=accelerator, devices=1, precision=config.precision)
        here = int(os.environ.get("LOCAL_WORLD_SIZE", started_together()))
        fabric = Fabric(
            accelerator=accelerator,
            devices=here,
            num_nodes=started_together() // here,
            strategy="ddp",
            precision=config.precision,
        )
        fabric.launch()
        return fabric
    except (ImportError, RuntimeError, ValueError) as error:
        raise ValueError(f"accelerator '{accelerator}' cannot be used here: {error}") from error


def check_fit(model: nn.Module, images: Tensor, config: RunConfig) -> None:
    """Show the model a few images `(B, K, H, W)`.

    Raises:
        ValueError: it does not take images of this size, or gives no logits while it is trained.
    """
    try:
        with eval_mode(model), torch.no_grad():
            model(images)
    except (RuntimeError, AssertionError, ValueError) as error:
        size = "x".join(map(str, images.shape[2:]))
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"model '{config.model}' does not take the {size} images of {config.data.source} "
            f"({reason}): choose another model"
        ) from error
    check_training(model, images)


def check_training(model: nn.Module, images: Tensor) -> None:
    """Show a copy of the model a few images `(B, K, H, W)` as training would.

    Raises:
        ValueError: it cannot be trained, or gives something else than logits then.
    """
    training = copy.deepcopy(model).train()
    try:
        with torch.random.fork_rng(), torch.no_grad():
            given = training(images)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"the classifier cannot be trained ({one_line(error)})") from error
    if not isinstance(given, Tensor):
        raise ValueError(
            f"{type(model).__name__} gives {type(given).__name__} while it is trained: it must "
            "give logits (B, C) alone then as well"
        )
