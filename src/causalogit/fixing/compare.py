"""Two audits of the same photos, before and after: what changed, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import torch
from torch import Tensor

from causalogit.auditing import Audit, Estimate
from causalogit.auditing.figures import FEWEST
from causalogit.auditing.statistics import (
    half_by_sources,
    mean_difference,
    paired_difference,
    share,
)
from causalogit.fixing.result import Change, ClassChange, Gap, GroupChange

_DRAWS = 4000


def accuracy_change(before: Audit, after: Audit, chosen: Tensor | None = None) -> Change:
    """Photos as they are that are named right; all of them, or the chosen `(N,)` bool."""
    first, last = (_right(own, "as_is") for own in (before, after))
    if chosen is not None:
        first, last = first[chosen], last[chosen]
    before_, after_ = share(first), share(last)
    difference = paired_difference(last, first)
    assert before_ is not None  # an audit has photos
    assert after_ is not None
    assert difference is not None
    return Change(before_, after_, difference)


def reliance_change(before: Audit, after: Audit, chosen: Tensor | None = None) -> Change | None:
    """Answers that turn with the background; None where either audit could not measure it.

    The difference is that of the photos that both audits have put on other backgrounds.
    """
    every = torch.ones(before.photos, dtype=torch.bool) if chosen is None else chosen
    names = before.per_photo["label"]
    labels = torch.tensor([list(dict.fromkeys(names)).index(name) for name in names])
    turns, values, sources = [], [], []
    seen = every.clone()
    for own in (before, after):
        swapped = torch.tensor([a is not None for a in own.per_photo["own_background"]])
        right = [_right(own, f"{name}_background") for name in ("own", "other")]
        turns.append(right[0].long() - right[1].long())
        sources.append(_sources(own))
        some = every & swapped
        half = half_by_sources(turns[-1][some], labels[some], sources[-1][some])
        values.append(paired_difference(right[0][some], right[1][some], half))
        seen &= swapped
    moved = (turns[1] - turns[0])[seen]
    half = half_by_sources(moved, labels[seen], torch.cat(sources, 1)[seen])
    difference = mean_difference(moved, half)
    if values[0] is None or values[1] is None or difference is None:
        return None
    return Change(values[0], values[1], difference)


def class_changes(before: Audit, after: Audit) -> tuple[ClassChange, ...]:
    """Every class, in the order of the first audit."""
    labels = before.per_photo["label"]
    verdicts = {own.name: own.verdict for own in after.classes}
    changes = []
    for own in before.classes:
        chosen = torch.tensor([label == own.name for label in labels])
        changes.append(
            ClassChange(
                own.name,
                own.photos,
                accuracy_change(before, after, chosen),
                reliance_change(before, after, chosen),
                own.verdict.word,
                verdicts[own.name].word,
            )
        )
    return tuple(changes)


def gap_change(before: Audit, after: Audit, seed: int) -> Gap | None:
    """Average less worst group, before and after, in the same groups.

    The groups are those that the data names, or else those that the first audit found. The worst
    one may be another afterwards. None where there are no two groups of enough photos, or none of
    them is behind the average in the first audit: those that are have too few photos then.

    Args:
        before: the first audit.
        after: the second.
        seed: of the draws of the interval.
    """
    known = before.known is not None and len(before.known.backgrounds) > 1
    groups = before.known if known else before.discovered
    if groups is None:
        return None
    labels = before.per_photo["label"]
    of_photo = torch.tensor(groups.of_photo)
    right = _right(before, "as_is"), _right(after, "as_is")
    changes, cells = [], []
    inside = torch.zeros(before.photos, dtype=torch.bool)
    for name in dict.fromkeys(labels):
        for number, background in enumerate(groups.backgrounds):
            chosen = torch.tensor([label == name for label in labels]) & (of_photo == number)
            if chosen.sum() < FEWEST:
                continue
            inside |= chosen
            change = accuracy_change(before, after, chosen)
            changes.append(GroupChange(str(name), background, change))
            cells.append(_cells(right[0][chosen], right[1][chosen]))
    if len(changes) < 2:
        return None
    whole = [hits.double().mean().item() for hits in right]
    worst = [
        min(changes, key=lambda own: own.accuracy.before.value),
        min(changes, key=lambda own: own.accuracy.after.value),
    ]
    first = whole[0] - worst[0].accuracy.before.value
    if first <= 0:
        return None
    last = whole[1] - worst[1].accuracy.after.value
    rest = _cells(right[0][~inside], right[1][~inside])
    low, high = _interval(cells, rest, seed, first - last)
    return Gap(
        before=first,
        after=last,
        less=Estimate(first - last, low, high, before.photos),
        worst_before=worst[0],
        worst_after=worst[1],
        groups=tuple(sorted(changes, key=lambda own: own.accuracy.before.value)),
        known=known,
    )


def _right(audit: Audit, answers: str) -> Tensor:
    """Which answers are right, `(N,)` bool; those that there are not count as wrong."""
    labels = audit.per_photo["label"]
    given = audit.per_photo[answers]
    return torch.tensor([said == label for said, label in zip(given, labels, strict=True)])


def _sources(audit: Audit) -> Tensor:
    """Places of the photos whose backgrounds each photo was seen on, `(N, 2)`; -1 without."""
    columns = (audit.per_photo[f"{name}_background_from"] for name in ("own", "other"))
    return torch.tensor([[-1 if p is None else p for p in column] for column in columns]).T


def _cells(before: Tensor, after: Tensor) -> list[int]:
    """Photos right both times, before alone, after alone, never."""
    both = (before & after, before & ~after, ~before & after, ~before & ~after)
    return [int(cell.sum()) for cell in both]


def _interval(
    cells: Sequence[Sequence[int]], rest: Sequence[int], seed: int, value: float
) -> tuple[float, float]:
    """95 % of the draws of how much smaller the gap has become, around what it has.

    Every group's four shares are drawn from what its photos leave possible (Dirichlet, with a
    quarter of a photo added to each cell, so that a group without a change is not taken for sure).
    The worst group is looked for in every draw, before and after alike; as the lowest of many
    draws is lower than the lowest figure, their spread alone is used, and not where they lie.
    """
    draws = numpy.random.default_rng(seed)
    counts = numpy.array([*cells, *([rest] if sum(rest) else [])])
    shares = numpy.stack([draws.dirichlet(own + 0.25, _DRAWS) for own in counts])
    right = shares[..., :2].sum(2), shares[..., [0, 2]].sum(2)
    weights = counts.sum(1) / counts.sum()
    gaps = [weights @ own - own[: len(cells)].min(0) for own in right]
    low, middle, high = numpy.quantile(gaps[0] - gaps[1], [0.025, 0.5, 0.975])
    return value - float(middle - low), value + float(high - middle)
