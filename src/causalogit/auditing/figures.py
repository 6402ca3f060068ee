"""From answers to figures: of all photos, of a class, of a class on one kind of background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isnan

import torch
from torch import Tensor

from causalogit.auditing.discover import Discovered
from causalogit.auditing.measure import Measured
from causalogit.auditing.result import Figures, GroupResult, Groups, SmallGroup
from causalogit.auditing.statistics import (
    Estimate,
    agreement_by_chance,
    half_by_sources,
    mean,
    over_chance,
    paired_difference,
    share,
)

FEWEST = 10
"""Photos of a class on one kind of background from which on they count as a group."""

_TELLING = 12  # places that are kept of each class


def figures_of(measured: Measured, inside: Tensor, chosen: Tensor) -> Figures:
    """Figures of the chosen photos.

    Args:
        measured: answers to all photos.
        inside: share of the attention on the object, `(N,)`; nan where not known.
        chosen: `(N,)` bool, some photos at least.
    """
    m, labels = measured, measured.labels
    swapped, apart, looked = chosen & m.swapped, chosen & m.apart, chosen & ~inside.isnan()
    own, other = ((a == labels)[swapped] for a in (m.own, m.other))
    sources = torch.stack([m.donors.own, m.donors.other], 1)[swapped]

    def by_chance(some: Tensor, every: Tensor, answers: Tensor) -> float | None:
        """Chance keeps these labels, and what the classifier says of photos of any class."""
        return agreement_by_chance(labels[some], answers[every]) if some.any() else None

    def beyond(every: Tensor, answers: Tensor) -> Estimate | None:
        return over_chance(labels[every], answers[every], chosen[every])

    return Figures(
        as_is=share((m.as_is == labels)[chosen]),
        own=share(own),
        other=share(other),
        reliance=paired_difference(
            own, other, half_by_sources(own.long() - other.long(), labels[swapped], sources)
        ),
        gone=share((m.gone == labels)[apart]),
        alone=share((m.alone == labels)[apart]),
        own_by_chance=by_chance(swapped, m.swapped, m.own),
        gone_by_chance=by_chance(apart, m.apart, m.gone),
        alone_by_chance=by_chance(apart, m.apart, m.alone),
        unchanged=share((m.gone == m.as_is)[apart]),
        unchanged_by_chance=agreement_by_chance(m.as_is[apart], m.gone[m.apart])
        if apart.any()
        else None,
        as_is_over_chance=beyond(m.labels >= 0, m.as_is),
        own_over_chance=beyond(m.swapped, m.own),
        other_over_chance=beyond(m.swapped, m.other),
        attention=mean(inside[chosen]),
        attention_by_chance=m.area[looked].mean().item() if looked.sum() > 1 else None,
        area=m.area[chosen].mean().item(),
    )


def telling_photos(measured: Measured, chosen: Tensor) -> tuple[int, ...]:
    """Places of the photos whose answer turns wrong with the background, the surest first.

    How much a photo tells is how far the probability of its label falls from the one background to
    the other. Without a photo whose answer turns these are the ones that come closest.
    """
    right, wrong = measured.own == measured.labels, measured.other != measured.labels
    turned = measured.swapped & right & wrong
    score = measured.doubt + 2 * turned.float()
    places = (chosen & measured.swapped).nonzero().squeeze(1)
    order = score[places].argsort(descending=True, stable=True)[:_TELLING]
    return tuple(places[order].tolist())


def known_groups(
    measured: Measured, attributes: Tensor, names: Sequence[str], classes: Sequence[str]
) -> Groups:
    """Accuracy of every class with every attribute that the data names."""
    return _groups(measured, attributes, names, classes)


def discovered_groups(
    measured: Measured, found: Discovered, attributes: Tensor | None, classes: Sequence[str]
) -> Groups:
    """Accuracy of every class on every kind of background that was found."""
    from sklearn.metrics import adjusted_rand_score

    names = tuple(f"backgrounds {_letter(number)}" for number in range(len(found.typical)))
    agreement = None
    if attributes is not None:
        sorted_in = found.group >= 0
        agreement = float(
            adjusted_rand_score(attributes[sorted_in].numpy(), found.group[sorted_in].numpy())
        )
    groups = _groups(measured, found.group, names, classes)
    return replace(groups, silhouette=found.silhouette, agreement=agreement)


def _groups(
    measured: Measured, backgrounds: Tensor, names: Sequence[str], classes: Sequence[str]
) -> Groups:
    """Every class on every background, and apart from them those of fewer photos than `FEWEST`."""
    right = measured.as_is == measured.labels
    results, small = [], []
    for label in measured.labels.unique().tolist():
        for number, name in enumerate(names):
            chosen = (measured.labels == label) & (backgrounds == number)
            accuracy = share(right[chosen])
            if accuracy is not None and accuracy.n >= FEWEST:
                results.append(GroupResult(classes[label], name, accuracy))
            elif accuracy is not None:
                hits = int(right[chosen].sum())
                small.append(SmallGroup(classes[label], name, accuracy.n, hits))
    return Groups(
        tuple(names),
        tuple(backgrounds.tolist()),
        tuple(sorted(results, key=lambda own: own.accuracy.value)),
        tuple(sorted(small, key=lambda own: (own.right / own.photos, -own.photos))),
    )


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def per_photo(
    measured: Measured, inside: Tensor, classes: Sequence[str], names: Sequence[str] | None
) -> dict[str, list[object]]:
    """Answers by name, a value a photo; None where there is none."""

    def named(answers: Tensor) -> list[object]:
        return [classes[a] if a >= 0 else None for a in answers.tolist()]

    def rounded(values: Tensor) -> list[object]:
        return [None if isnan(value) else round(value, 4) for value in values.tolist()]

    donors = measured.donors
    columns: dict[str, list[object]] = {"file": list(names)} if names else {}
    return columns | {
        "label": named(measured.labels),
        "as_is": named(measured.as_is),
        "confidence": rounded(measured.confidence),
        "own_background": named(measured.own),
        "other_background": named(measured.other),
        "object_gone": named(measured.gone),
        "background_alone": named(measured.alone),
        "object_area": rounded(measured.area),
        "attention_on_object": rounded(inside),
        "own_background_from": [place if place >= 0 else None for place in donors.own.tolist()],
        "other_background_from": [place if place >= 0 else None for place in donors.other.tolist()],
    }
