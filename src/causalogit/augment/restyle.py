"""Fills for attributes that are no places: the object's own colour and texture.

A background is taken away by its pixels; a colour or a texture has none of its own. These fills
show the same object with another colour or texture (or none), so that they belong in the object's
place: see `Restyled`. The counterpart, images with the attribute but without the object, come from
`Shuffle`, whose pixels keep their colours, and from `Patches`, whose patches keep their texture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.augment.fills import uniform
from causalogit.augment.masks import check_masks


@dataclass(frozen=True)
class Greyscale:
    """Every pixel in grey, as bright as its brightest channel: the colour is gone."""

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images; see `Fill`."""
        return _brightness(images).expand_as(images).clone()


@dataclass(frozen=True)
class Recolour:
    """Every pixel in one random colour an image, as bright as it was: the colour says nothing.

    The colour's brightest channel is 1, so that nothing gets darker.
    """

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images; see `Fill`."""
        colour = uniform((*images.shape[:2], 1, 1), generator).to(images)
        return _brightness(images) * (colour / colour.amax(1, keepdim=True).clamp(min=1e-3))


@dataclass(frozen=True)
class Smooth:
    """The object without structure finer than `size` pixels: its texture is gone.

    The mean is taken over object pixels alone, so that the outline does not fade into the
    background. Pixels without any object near stay as they are.

    Attributes:
        size: of the window in pixels, odd; it is moved over the image twice.

    Raises:
        ValueError: a size that is even or below 3.
    """

    size: int = 5

    def __post_init__(self) -> None:
        if self.size < 3 or self.size % 2 == 0:
            raise ValueError(f"size is {self.size} pixels; give an odd number from 3 on")

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images; see `Fill`."""
        return self.smoothed(images, check_masks(images, masks))

    def smoothed(self, images: Tensor, masks: Tensor) -> Tensor:
        """`(B, C, H, W)`, from images and masks of their dtype."""
        wide = images.float() if images.element_size() < 4 else images
        share = masks.to(wide)
        total = self._mean(share)
        for _ in range(2):
            near = self._mean(wide * share) / total.clamp(min=1e-6)
            wide = torch.where(total > 1e-6, near, wide)
        return wide.to(images)

    def _mean(self, values: Tensor) -> Tensor:
        return F.avg_pool2d(values, self.size, 1, self.size // 2, count_include_pad=False)


@dataclass(frozen=True)
class Retexture:
    """The smooth object with the texture of another image's object: the texture says nothing.

    A texture is how much brighter or darker a pixel is than the mean around it; outside of the
    other object there is none. Each image draws among all images of the batch, of any class.

    Attributes:
        smooth: what tells an object from its texture.
        most: largest ratio of a pixel to the mean around it.
    """

    smooth: Smooth = Smooth()
    most: float = 2.0

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images; see `Fill`."""
        masks = check_masks(images, masks)
        smooth = self.smooth.smoothed(images, masks)
        texture = _brightness(images) / _brightness(smooth).clamp(min=1e-3)
        texture = torch.where(masks > 0, texture.clamp(max=self.most), 1)
        batch = len(images)
        donors = (uniform((batch,), generator) * batch).long().to(images.device)
        return (smooth * texture[donors]).clamp(images.amin(), images.amax())


@dataclass(frozen=True)
class Patches:
    """The image cut into square patches, in random order: textures stay, shapes do not.

    Attributes:
        size: of a patch in pixels. Where a side of the image is no multiple of it, the last patch
            overlaps the one before; a smaller image is one patch.

    Raises:
        ValueError: a size below 1.
    """

    size: int = 7

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is {self.size} pixels; give at least 1")

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images; see `Fill`."""
        batch, _, *sides = images.shape
        height, width = (min(self.size, side) for side in sides)
        top, left = (self._starts(side) for side in sides)
        windows = images.unfold(2, height, 1).unfold(3, width, 1)
        patches = windows[:, :, top][:, :, :, left].flatten(2, 3)  # (B, C, P, height, width)
        order = uniform((batch, len(top) * len(left)), generator).argsort(dim=1, stable=True)
        index = order.to(images.device)[:, None, :, None, None].expand_as(patches)
        moved = patches.gather(2, index).unflatten(2, (len(top), len(left)))
        result = images.clone()
        for row, y in enumerate(top):
            for column, x in enumerate(left):
                result[:, :, y : y + height, x : x + width] = moved[:, :, row, column]
        return result

    def _starts(self, side: int) -> list[int]:
        """Where the patches along a side of the image begin."""
        return [min(start, max(0, side - self.size)) for start in range(0, side, self.size)]


def _brightness(images: Tensor) -> Tensor:
    return images.amax(1, keepdim=True)
