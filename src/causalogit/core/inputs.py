"""What a training step is given, looked at before anything is computed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from causalogit.core.guard import Guard


def check_labels(
    labels: Tensor, count: int, num_classes: int | None, whose: str = "labels"
) -> None:
    """Whether labels `(B,)` are those of `count` images.

    Args:
        labels: to be looked at.
        count: images.
        num_classes: C; None to leave their values alone.
        whose: what a message calls them.

    Raises:
        ValueError: they are not.
    """
    if labels.dtype != torch.int64 or labels.shape != (count,):
        raise ValueError(
            f"{whose} are {labels.dtype} {tuple(labels.shape)}: give int64 labels, ({count},), one "
            "for each image"
        )
    if count and num_classes is not None:
        first, last = torch.stack(labels.aminmax()).tolist()  # one read from a GPU
        if not 0 <= first <= last < num_classes:
            raise ValueError(
                f"{whose} go from {first} to {last}, but there are {num_classes} classes: give "
                f"labels from 0 to {num_classes - 1}"
            )


def check_meta(batch: Any, num_classes: int) -> None:
    """Whether what the meta loader gave is a batch.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        what = f"{type(batch).__name__}"
        what += f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
        raise ValueError(
            f"the meta loader gave a {what}: give a DataLoader, or a list, of batches "
            "(images, labels) or (images, labels, masks)"
        )
    kinds = ("Tensor", "Tensor", "Tensor or None")
    for name, value, kind in zip(("images", "labels", "masks"), batch, kinds, strict=False):
        if not isinstance(value, Tensor) and (name != "masks" or value is not None):
            raise ValueError(
                f"the {name} of the meta loader are {type(value).__name__}, not {kind}: give "
                "batches (images, labels) or (images, labels, masks), as a DataLoader does"
            )
    images, labels = batch[:2]
    if images.dim() < 2 or not len(images):
        raise ValueError(
            f"the images of the meta loader are {tuple(images.shape)}: give a batch of at least one"
        )
    # a GPU is not waited for
    known = num_classes if labels.is_cpu else None
    check_labels(labels, len(images), known, "the labels of the meta loader")


def check_spurious(spurious: Tensor, count: int, num_classes: int) -> None:
    """Whether these may be the log-probabilities of an expert; a look at shapes, not at values.

    Raises:
        ValueError: they are not.
    """
    if spurious.shape != (count, num_classes) or not spurious.is_floating_point():
        raise ValueError(
            f"spurious is {spurious.dtype} {tuple(spurious.shape)}: give log-probabilities, "
            f"({count}, {num_classes}), a row for each image"
        )


def usable(
    guard: Guard, num_classes: int, images: Tensor, labels: Tensor, masks: Tensor | None
) -> bool:
    """Whether images `(B, K, H, W)` and masks `(B, 1, H, W)` are finite; if not, the guard knows.

    Raises:
        ValueError: labels or masks that do not fit.
        Divergence: see `Guard`.
    """
    check_labels(labels, len(images), num_classes)
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
