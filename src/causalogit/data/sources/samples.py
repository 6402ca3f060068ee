"""What a source gives, before any bias is laid on it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Images `(N, K, H, W)` in [0, 1], labels `(N,)`, and object masks `(N, 1, H, W)` or None."""

    images: Tensor
    labels: Tensor
    masks: Tensor | None
    num_classes: int

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> Samples:
        """The samples at `index`."""
        masks = None if self.masks is None else self.masks[index]
        return Samples(self.images[index], self.labels[index], masks, self.num_classes)
