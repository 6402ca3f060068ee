"""The fill of an inpainting network of ours, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from causalogit.augment.inpainters.holes import holes_of
from causalogit.augment.inpainters.network import InpaintingNetwork, Settings

_KEY = "causalogit.inpainter"


@dataclass(frozen=True, eq=False)
class Contextual:
    """The image with its object painted over by a network, which is left as it is.

    Attributes:
        network: in eval mode; its weights get no gradients.
    """

    network: InpaintingNetwork

    def __post_init__(self) -> None:
        self.network.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images in [0, 1]; see `Fill`. Nothing is drawn from the generator.

        Raises:
            ValueError: the network was trained on images of another number of channels.
        """
        channels = self.network.settings.channels
        if images.shape[1] != channels:
            raise ValueError(
                f"the inpainter was trained on images of {channels} channels, and these have "
                f"{images.shape[1]}: train one on images like these"
            )
        holes = holes_of(images, masks)
        self.network.to(images.device)
        _, painted = self.network(images.float(), holes)
        return torch.where(holes == 1, painted.clamp(0, 1), images.float()).to(images.dtype)


def inpainter_bytes(network: InpaintingNetwork, about: Mapping[str, str]) -> bytes:
    """A network as the content of a .safetensors file.

    Args:
        network: to keep.
        about: further metadata, such as what it was trained on.
    """
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    return save(weights, {**about, _KEY: json.dumps(asdict(network.settings))})


def read_inpainter(path: Path) -> Contextual:
    """The fill of a file that `causalogit inpainter train` has written.

    Raises:
        ValueError: there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise ValueError(f"inpainter {path}: there is no such file")
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
        weights = load_file(path)
        network = InpaintingNetwork(Settings(**json.loads(about[_KEY])))
        network.load_state_dict(weights)
    except Exception as error:  # of safetensors, of torch, or a key that is missing
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path} is no inpainter of causalogit ({type(error).__name__}: {reason}): give a file "
            "that `causalogit inpainter train` has written"
        ) from error
    return Contextual(network)
