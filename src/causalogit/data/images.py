"""Where a split's images come from: read by index, in memory or from files, one view on another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Pixels = tuple[Tensor, Tensor | None]
"""Images `(B, K, H, W)`, float in [0, 1], and masks `(B, 1, H, W)` in [0, 1] or None."""


class Images(Protocol):
    """Images that are read when they are asked for.

    Attributes:
        shape: `(K, H, W)` of every image.
        has_masks: whether `read` gives masks.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """See above."""
        ...

    @property
    def has_masks(self) -> bool:
        """See above."""
        ...

    def __len__(self) -> int: ...

    def read(self, index: Tensor) -> Pixels:
        """Images and masks at `index` `(B,)`."""
        ...


@dataclass(frozen=True)
class InMemory:
    """Images `(N, K, H, W)`, float in [0, 1] or 8 bits, and masks `(N, 1, H, W)` likewise."""

    images: Tensor
    masks: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(K, H, W)`."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def has_masks(self) -> bool:
        """Whether there are masks."""
        return self.masks is not None

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: Tensor) -> Pixels:
        """Images and masks at `index`."""
        masks = None if self.masks is None else as_float(self.masks[index])
        return as_float(self.images[index]), masks


class _View:
    """Images seen through something else: same shape, same masks, unless overridden."""

    def __init__(self, images: Images) -> None:
        self.base = images

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.base.shape

    @property
    def has_masks(self) -> bool:
        return self.base.has_masks

    def __len__(self) -> int:
        return len(self.base)


class Taken(_View):
    """The images at `places` `(N,)` of others, in this order."""

    def __init__(self, images: Images, places: Tensor) -> None:
        # a view of a view would look up twice for every image
        inner = images if isinstance(images, Taken) else None
        super().__init__(images if inner is None else inner.base)
        self.places: Tensor = places if inner is None else inner.places[places]

    def __len__(self) -> int:
        return len(self.places)

    def read(self, index: Tensor) -> Pixels:
        """Images and masks at `index`."""
        return self.base.read(self.places[index])


class Changed(_View):
    """Every image after a change that depends on its index: `(images, masks, index) -> images`."""

    def __init__(
        self, images: Images, change: Callable[[Tensor, Tensor | None, Tensor], Tensor]
    ) -> None:
        super().__init__(images)
        self.change = change

    def read(self, index: Tensor) -> Pixels:
        """Changed images, and their masks."""
        images, masks = self.base.read(index)
        return self.change(images, masks, index), masks


class Masked(_View):
    """Images with other masks: `(masks (B, 1, H, W), index (B,)) -> masks`."""

    def __init__(self, images: Images, masks: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__(images)
        self.masks = masks

    @property
    def has_masks(self) -> bool:
        """True."""
        return True

    def read(self, index: Tensor) -> Pixels:
        """Images as they are, and the other masks."""
        images, masks = self.base.read(index)
        if masks is None:
            masks = torch.zeros_like(images[:, :1])
        return images, self.masks(masks, index)


class Found(_View):
    """Images with masks that are found in them, at every reading anew: `(images) -> masks`."""

    def __init__(self, images: Images, find: Callable[[Tensor], Tensor]) -> None:
        super().__init__(images)
        self.find = find

    @property
    def has_masks(self) -> bool:
        """True."""
        return True

    def read(self, index: Tensor) -> Pixels:
        """Images, and what is found in them."""
        images, _ = self.base.read(index)
        return images, self.find(images)


class Unmasked(_View):
    """Images without their masks, of which some are missing."""

    @property
    def has_masks(self) -> bool:
        """False."""
        return False

    def read(self, index: Tensor) -> Pixels:
        """Images alone."""
        return self.base.read(index)[0], None


class Joined:
    """The images of both, one after the other; masks only where both have them.

    Raises:
        ValueError: their shapes differ.
    """

    def __init__(self, first: Images, second: Images) -> None:
        if first.shape != second.shape:
            raise ValueError(f"images of shapes {first.shape} and {second.shape} cannot be joined")
        self.first, self.second = first, second

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(K, H, W)`."""
        return self.first.shape

    @property
    def has_masks(self) -> bool:
        """Whether both have masks."""
        return self.first.has_masks and self.second.has_masks

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def read(self, index: Tensor) -> Pixels:
        """Images and masks at `index`."""
        of_first = index < len(self.first)
        images = torch.empty(len(index), *self.shape)
        masks = torch.empty(len(index), 1, *self.shape[1:]) if self.has_masks else None
        for part, base, start in (
            (of_first, self.first, 0),
            (~of_first, self.second, len(self.first)),
        ):
            if part.any():
                own, own_masks = base.read(index[part] - start)
                images[part] = own
                if masks is not None and own_masks is not None:
                    masks[part] = own_masks
        return images, masks


def places_in_source(images: Images) -> list[Tensor]:
    """Where images lie in what they were taken from, one tensor for each source."""
    if isinstance(images, Joined):
        return places_in_source(images.first) + places_in_source(images.second)
    if isinstance(images, Taken):
        return [images.places]
    base: Images | None = getattr(images, "base", None)
    return [] if base is None else places_in_source(base)


def as_float(values: Tensor) -> Tensor:
    """8 bits to [0, 1]; floats as they are."""
    return values.float() / 255 if values.dtype == torch.uint8 else values
