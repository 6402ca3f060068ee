"""Disjoint random parts of a pool of samples, each with every group in the same share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PerClass:
    """So many images of every class, spread evenly over its groups as far as they have images."""

    images: int


Size = int | float | PerClass
"""Images in all, alike for every group (int), a share of every group (float), or per class."""

Counts = dict[int, int]
"""Images by group."""


def carve(
    groups: Tensor,
    sizes: Mapping[str, Size],
    generator: torch.Generator,
    names: Sequence[str] = (),
    attributes: int = 1,
    use_up: bool = False,
) -> dict[str, Tensor]:
    """Places of each part, and of the "rest" that nobody asked for.

    A share gives every group at least one image. Where that would use up one of several groups of
    a class, the group's share is rounded down, and it may have none.

    Args:
        groups: `(N,)`; class * attributes + attribute.
        sizes: of the parts.
        generator: decides who goes where.
        names: of the groups, for messages.
        attributes: groups of a class.
        use_up: whether the "rest" may be empty.

    Raises:
        ValueError: a size is not a multiple of the number of groups, or a class or group is too
            small.
    """
    found, numbers = groups.unique(return_counts=True)
    images: Counts = dict(zip(found.tolist(), numbers.tolist(), strict=True))
    counts = {
        name: _counts(name, size, images, attributes, generator) for name, size in sizes.items()
    }
    for group in images:
        if sum(own[group] for own in counts.values()) >= images[group]:
            for name, size in sizes.items():
                if isinstance(size, float) and _siblings(group, images, attributes):
                    counts[name][group] = int(size * images[group])
    _check(counts, sizes, images, names, attributes, use_up)
    parts: dict[str, list[Tensor]] = {name: [] for name in (*sizes, "rest")}
    for group in images:
        own = torch.nonzero(groups == group).squeeze(1)
        own = own[torch.randperm(len(own), generator=generator)]
        wanted = [counts[name][group] for name in sizes]
        pieces = own.split([*wanted, len(own) - sum(wanted)])
        for name, piece in zip(parts, pieces, strict=True):
            parts[name].append(piece)
    return {name: torch.cat(pieces) for name, pieces in parts.items()}


def _siblings(group: int, images: Counts, attributes: int) -> list[int]:
    """The other groups of the same class."""
    own = group // attributes
    return [other for other in images if other // attributes == own and other != group]


def _counts(
    name: str, size: Size, images: Counts, attributes: int, generator: torch.Generator
) -> Counts:
    if isinstance(size, PerClass):
        return _spread(size.images, images, attributes, generator)
    if isinstance(size, float):
        return {group: max(1, round(size * number)) for group, number in images.items()}
    if size % len(images):
        raise ValueError(
            f"the {name} set's size is {size}, which {len(images)} classes or groups cannot "
            f"share evenly: give a multiple of {len(images)}"
        )
    return dict.fromkeys(images, size // len(images))


def _spread(wanted: int, images: Counts, attributes: int, generator: torch.Generator) -> Counts:
    """Images of every group, `wanted` a class: alike, but small groups keep half of theirs.

    Where the groups of a class cannot share evenly, chance decides which of them gives one more;
    where the halves do not suffice, groups give more than that.
    """
    counts = dict.fromkeys(images, 0)
    for label in sorted({group // attributes for group in images}):
        own = [group for group in images if group // attributes == label]
        if wanted % len(own):
            own = [own[i] for i in torch.randperm(len(own), generator=generator).tolist()]
        given = 0
        for most in ({group: images[group] // 2 for group in own}, images):
            while given < wanted and (able := [g for g in own if counts[g] < most[g]]):
                counts[min(able, key=counts.__getitem__)] += 1
                given += 1
    return counts


def _check(
    counts: Mapping[str, Counts],
    sizes: Mapping[str, Size],
    images: Counts,
    names: Sequence[str],
    attributes: int,
    use_up: bool,
) -> None:
    """Whether every group has what is asked of it, and every class some images left if need be.

    Raises:
        ValueError: one has not.
    """
    strict = any(isinstance(size, int) for size in sizes.values())
    classes = {group // attributes for group in images}
    for group in range(0, len(names), attributes):
        for part in sizes:
            if isinstance(sizes[part], PerClass) and group // attributes not in classes:
                what = f"the class of group {names[group]}" if attributes > 1 else names[group]
                raise ValueError(f"{what} has no images that the {part} set could be taken from")
    for group, number in images.items():
        siblings = _siblings(group, images, attributes)
        name = names[group] if names else str(group)
        # where no part is strict, a group may be used up as long as its class is not
        may_use_up = use_up or not strict
        asked = sum(own[group] for own in counts.values())
        if siblings and sizes and asked >= number + may_use_up:
            raise _too_small(f"group {name}", number, asked, sizes, use_up)
        class_groups = [group, *siblings]
        total, asked = sum(images[g] for g in class_groups), 0
        for part, size in sizes.items():
            least = size.images if isinstance(size, PerClass) else 1
            asked += max(least, sum(counts[part][g] for g in class_groups))
        if sizes and asked >= total + use_up:
            what = f"the class of group {name}" if siblings else f"class {name}"
            raise _too_small(what, total, asked, sizes, use_up)


def _too_small(
    what: str, number: int, asked: int, sizes: Mapping[str, Size], use_up: bool
) -> ValueError:
    options = {"meta": "data.meta.per_class"}
    lower = " or ".join(options.get(name, f"data.{name}_size") for name in sizes)
    return ValueError(
        f"{what} has {number} images, but {', '.join(sizes)} ask for {asked}: add images of it, or "
        f"set {lower} lower{'' if use_up else ', so that some are left'}"
    )
