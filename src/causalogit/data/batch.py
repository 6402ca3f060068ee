"""What travels from the data to a method: one batch, and the split it was taken from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from causalogit.data.images import Images, Joined, Taken
from causalogit.data.transforms import Transform


class Batch(NamedTuple):
    """Images `(B, K, H, W)` in [0, 1], labels `(B,)`, masks `(B, 1, H, W)`, groups `(B,)`.

    `indices` `(B,)` are the samples' places in their split. Masks are 1 on the object, or None
    where there are none; where no attributes are known, the classes are the groups.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor | None
    groups: Tensor
    indices: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on `device`."""
        return Batch(
            self.images.to(device, non_blocking=True),
            self.labels.to(device, non_blocking=True),
            None if self.masks is None else self.masks.to(device, non_blocking=True),
            self.groups.to(device, non_blocking=True),
            self.indices.to(device, non_blocking=True),
        )


@dataclass(frozen=True)
class Split:
    """Samples, read by index when they are asked for.

    Attributes:
        images: where the images and masks are read from.
        labels: `(N,)`, what a method is told; some may be wrong.
        groups: `(N,)`, label * attributes + attribute.
        true_labels: `(N,)`, for analysis alone; None where they are the labels.
        transform: what training images go through whenever they are drawn.
    """

    images: Images
    labels: Tensor
    groups: Tensor
    true_labels: Tensor | None = None
    transform: Transform | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def has_masks(self) -> bool:
        """Whether the images come with masks."""
        return self.images.has_masks

    @property
    def wrong(self) -> Tensor:
        """Where the label is wrong, `(N,)` bool."""
        if self.true_labels is None:
            return torch.zeros(len(self), dtype=torch.bool)
        return self.true_labels != self.labels

    def batch(self, indices: Tensor, draws: torch.Generator | None = None) -> Batch:
        """The samples at `indices` `(B,)`; with `draws` they go through the split's transform."""
        images, masks = self.images.read(indices)
        if draws is not None and self.transform is not None:
            images, masks = self.transform(images, masks, draws)
        return Batch(images, self.labels[indices], masks, self.groups[indices], indices)

    def everything(self) -> Batch:
        """The whole split as one batch: for small ones."""
        return self.batch(torch.arange(len(self)))

    def take(self, index: Tensor) -> Split:
        """The samples at `index` `(M,)`, in this order."""
        true = None if self.true_labels is None else self.true_labels[index]
        images = Taken(self.images, index)
        return Split(images, self.labels[index], self.groups[index], true, self.transform)

    def joined(self, other: Split) -> Split:
        """The samples of both, transformed like this one's; masks only where both have them."""
        true = None
        if self.true_labels is not None or other.true_labels is not None:
            true = torch.cat([_true(self), _true(other)])
        return Split(
            Joined(self.images, other.images),
            torch.cat([self.labels, other.labels]),
            torch.cat([self.groups, other.groups]),
            true,
            self.transform,
        )


def _true(split: Split) -> Tensor:
    return split.labels if split.true_labels is None else split.true_labels
