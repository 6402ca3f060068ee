"""What travels from the data to a method: one batch, and the split it was taken from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """Images `(B, K, H, W)` in [0, 1], labels `(B,)`, masks `(B, 1, H, W)`, groups `(B,)`.

    `indices` `(B,)` are the samples' places in their split. Masks are 1 on the object, or None
    where there are none; groups are -1 where unknown.
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
    """Samples in memory, read by index.

    Attributes:
        images: `(N, K, H, W)`, float in [0, 1].
        labels: `(N,)`.
        masks: `(N, 1, H, W)` in [0, 1], or None.
        groups: `(N,)`, class * attributes + attribute.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor | None
    groups: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Tensor) -> Batch:
        """The samples at `indices` `(B,)`."""
        masks = None if self.masks is None else self.masks[indices]
        images, labels = self.images[indices], self.labels[indices]
        return Batch(images, labels, masks, self.groups[indices], indices)

    def everything(self) -> Batch:
        """The whole split as one batch."""
        return self.batch(torch.arange(len(self)))

    def joined(self, other: Split) -> Split:
        """The samples of both; masks only where both have them."""
        masks = None
        if self.masks is not None and other.masks is not None:
            masks = torch.cat([self.masks, other.masks])
        return Split(
            torch.cat([self.images, other.images]),
            torch.cat([self.labels, other.labels]),
            masks,
            torch.cat([self.groups, other.groups]),
        )
