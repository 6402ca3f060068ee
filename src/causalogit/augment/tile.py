"""The tile fill: the largest part of the image without object, repeated."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from causalogit.augment.fills import Fill, Grey, take_pixels
from causalogit.augment.masks import check_masks


@dataclass(frozen=True)
class Tile:
    """The image's largest object-free rectangle, tiled over the image from its own place.

    So inside the rectangle the fill is the image. Which rectangle: `largest_free_rectangles`.
    Source: Chang et al., CVPR 2021.

    Attributes:
        fallback: Fills the images without a single object-free pixel. It draws for the whole
            batch in any case: an image's fill then does not hang on its neighbours' masks.
    """

    fallback: Fill = field(default_factory=Grey)

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images; see `Fill`."""
        masks = check_masks(images, masks)
        top, left, height, width = largest_free_rectangles(masks).unbind(1)
        rows = _wrap(images.shape[2], top, height)
        columns = _wrap(images.shape[3], left, width)
        sources = rows[:, :, None] * images.shape[3] + columns[:, None, :]
        tiled = take_pixels(images, sources.flatten(1))
        fallback = self.fallback(images, masks, labels, generator)
        return torch.where((height > 0)[:, None, None, None], tiled, fallback)


def _wrap(size: int, start: Tensor, period: Tensor) -> Tensor:
    """Coordinates 0 .. size - 1, each moved by whole periods into [start, start + period)."""
    offset = torch.arange(size, device=start.device) - start[:, None]
    return start[:, None] + offset % period[:, None].clamp(min=1)


def largest_free_rectangles(masks: Tensor) -> Tensor:
    """The largest axis-aligned rectangle of each image in which the mask is exactly 0.

    Of equally large ones the leftmost, of these the one that ends highest, of these the tallest.

    A largest rectangle is as tall as the free run above one of its lowest pixels, and as wide as
    that run can be spread. One sweep down the rows finds this rectangle for every pixel: each
    column keeps the height of its run and how far left and right all the run's rows are free.

    Args:
        masks: `(B, 1, H, W)`.

    Returns:
        `(B, 4)`, int64: top, left, height, width in pixels; all 0 where no pixel is free.
    """
    free = masks[:, 0] == 0
    batch, _, size = free.shape
    columns = torch.arange(size, device=free.device)
    # In each row alone: where the free run through a pixel starts, and one past its end.
    starts = torch.where(free, 0, columns + 1).cummax(2).values
    stops = torch.where(free, size, columns).flip(2).cummin(2).values.flip(2)

    height = left = columns.new_zeros(batch, size)
    right = columns.new_full((batch, size), size)
    sweep = []
    for here, start, stop in zip(free.unbind(1), starts.unbind(1), stops.unbind(1), strict=True):
        height = torch.where(here, height + 1, 0)
        left = torch.where(here, torch.maximum(left, start), 0)
        right = torch.where(here, torch.minimum(right, stop), size)
        sweep.append(torch.stack([height, left, right - left]))
    heights, lefts, widths = torch.stack(sweep, dim=2).flatten(2)

    # argmax takes the first of equals: the highest lower edge, and there the tallest.
    best = (heights * widths * size - lefts).argmax(1, keepdim=True)
    height, left, width = (found.gather(1, best) for found in (heights, lefts, widths))
    top = best // size + 1 - height
    return torch.where(height > 0, torch.cat([top, left, height, width], dim=1), 0)
