"""Names of classes and of groups: their order, and whether they can be learned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor


def in_order(names: Iterable[str]) -> list[str]:
    """By name; numbers by their value, and those of one value, as 1 and 01, by name."""
    names = sorted(names)
    numbers = all(name.isdecimal() and len(name) < 20 for name in names)
    return sorted(names, key=int) if numbers else names


def check_classes(
    source: str, class_names: Sequence[str], labels: Tensor, training: Tensor
) -> None:
    """Whether training images show all classes, of which there are at least two.

    Args:
        source: what the set is called, for messages.
        class_names: C names.
        labels: `(N,)`.
        training: `(M,)`, those of the training images.

    Raises:
        ValueError: they do not.
    """
    unseen = set(labels.tolist()) - set(training.tolist())
    if unseen:
        raise ValueError(f"{source}: no training image is a '{class_names[min(unseen)]}'")
    if len(class_names) < 2:
        raise ValueError(f"{source} has one class: give at least two")
