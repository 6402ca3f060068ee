"""Fills: what takes the place of the object, or of the background.

Source: arXiv 2505.15246 (metadata augmentation), after Chang et al., CVPR 2021, "Towards Robust
Classification Model by Counterfactual and Invariant Data Generation".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Fill(Protocol):
    """Images and their masks in, fill images out."""

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Make one fill image for each image.

        Args:
            images: `(B, C, H, W)`, floating point.
            masks: `(B, 1, H, W)` in [0, 1], 1 on the object.
            labels: `(B,)`, class indices.
            generator: The only source of randomness. Draws are made on its own device, in
                float32, so that a seed means the same on every device and in every precision.

        Returns:
            Fill images `(B, C, H, W)`, of the images' dtype and device. They cover the whole
            image: the blend decides what is seen of them.
        """
        ...


@dataclass(frozen=True, eq=False)  # A tensor among the fields cannot be compared.
class Grey:
    """One colour, the data set's mean.

    Attributes:
        mean: In pixel values: one number, or one for each channel.
    """

    mean: Sequence[float] | Tensor | float = 0.5

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images; see `Fill`.

        Raises:
            ValueError: The number of means is neither 1 nor the number of channels.
        """
        mean = torch.as_tensor(self.mean, dtype=images.dtype, device=images.device).flatten()
        if len(mean) not in {1, images.shape[1]}:
            raise ValueError(
                f"Grey has {len(mean)} means for images of {images.shape[1]} channels; "
                "give one mean, or one for each channel"
            )
        return mean[:, None, None].expand_as(images).clone()


@dataclass(frozen=True)
class RandomColour:
    """One uniformly random colour for each image, plus Gaussian noise on each pixel.

    Attributes:
        noise: Standard deviation, in pixel values.
        low: Least pixel value; the result is clamped.
        high: Greatest pixel value.

    Raises:
        ValueError: The noise is negative, or `low` is not below `high`.
    """

    noise: float = 0.2
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.noise < 0 or self.low >= self.high:
            raise ValueError(f"{self}: noise must be at least 0, and low below high")

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images; see `Fill`."""
        colour = uniform((*images.shape[:2], 1, 1), generator).to(images)
        noise = torch.randn(
            images.shape, generator=generator, device=generator.device, dtype=torch.float32
        ).to(images)
        fill = self.low + (self.high - self.low) * colour + self.noise * noise
        return fill.clamp(self.low, self.high)


@dataclass(frozen=True)
class Shuffle:
    """The image's own pixels, object included, in random places; a pixel's channels stay together.

    Each image has a permutation of its own.
    """

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images; see `Fill`."""
        batch, _, height, width = images.shape
        # Stable, because float32 draws tie now and then.
        order = uniform((batch, height * width), generator).argsort(dim=1, stable=True)
        return take_pixels(images, order.to(images.device))


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draws from [0, 1), float32, on the generator's device, whatever the default dtype."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float32)


def take_pixels(images: Tensor, sources: Tensor) -> Tensor:
    """Build images from their own pixels: pixel p of image b is its pixel `sources[b, p]`.

    Args:
        images: `(B, C, H, W)`.
        sources: `(B, H * W)`, row-major pixel indices.

    Returns:
        Images `(B, C, H, W)`.
    """
    sources = sources[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, sources).view_as(images)
