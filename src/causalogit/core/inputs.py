"""What a training step is given, looked at before anything is computed."""

from __future__ import annotations

import torch
from torch import Tensor

from causalogit.core.guard import Guard


def usable(
    guard: Guard, num_classes: int, images: Tensor, labels: Tensor, masks: Tensor | None
) -> bool:
    """Whether images `(B, K, H, W)` and masks `(B, 1, H, W)` are finite; if not, the guard knows.

    Raises:
        ValueError: labels or masks that do not fit.
        Divergence: see `Guard`.
    """
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"labels are {labels.dtype} {tuple(labels.shape)}: give int64 labels, "
            f"({len(images)},), one for each image"
        )
    if len(labels):
        first, last = torch.stack(labels.aminmax()).tolist()  # one read from a GPU
        if not 0 <= first <= last < num_classes:
            raise ValueError(
                f"labels go from {first} to {last}, but there are "
                f"{num_classes} classes: give labels from 0 to {num_classes - 1}"
            )
    if not guard.finite("images", images):
        return False
    if masks is None:
        return True
    if masks.shape != (len(images), 1, *images.shape[2:]) or not masks.is_floating_point():
        raise ValueError(
            f"masks are {masks.dtype} {tuple(masks.shape)} for images {tuple(images.shape)}: "
            "give float masks (B, 1, H, W) in [0, 1]"
        )
    if not guard.finite("masks", masks):
        return False
    if masks.min() < 0 or masks.max() > 1:
        raise ValueError(f"masks go from {masks.min():g} to {masks.max():g}: scale them to [0, 1]")
    return True
