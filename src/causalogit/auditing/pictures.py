"""The photos that tell most, taken apart, as small pictures for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from causalogit.auditing.attend import maps_of
from causalogit.auditing.discover import Discovered
from causalogit.auditing.journal import OnStep
from causalogit.auditing.measure import (
    Measured,
    background_alone,
    on_background_of,
    read,
    without_object,
)
from causalogit.auditing.result import ClassResult
from causalogit.auditing.subject import Subject
from causalogit.data import Images
from causalogit.evaluate.attention import AttentionMethod
from causalogit.report.pictures import embedded, is_photo, picture, spotlight

MOST_CLASSES: Final = 24
"""Classes that are shown in pictures, at most: those that rely most."""

_MOST_SERIES = 72  # 1,000 classes or 10,000 photos make the page no larger
_OF_A_CLASS = 4
_ON_TOP = 3


@dataclass(frozen=True)
class Shot:
    """One picture, with what the classifier says of it.

    Attributes:
        kind: "as_is", "own", "other", "gone", "alone" or "attention".
        uri: the picture itself.
        alt: in words.
        says: name of the class; empty for a map of attention.
        right: whether that is the label.
    """

    kind: str
    uri: str
    alt: str
    says: str = ""
    right: bool = False


@dataclass(frozen=True)
class Series:
    """One photo, as it is and taken apart.

    Attributes:
        place: of the photo.
        label: its class.
        turned: whether the answer is right on one background and wrong on the other.
        shots: pictures of it.
    """

    place: int
    label: str
    turned: bool
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Pictures:
    """Pictures of the page.

    Attributes:
        top: series of all classes, for the beginning.
        by_class: series of the classes that are shown.
        strips: backgrounds that are typical of every discovered group.
    """

    top: tuple[Series, ...]
    by_class: Mapping[str, tuple[Series, ...]]
    strips: tuple[tuple[str, ...], ...]


def take_pictures(
    subject: Subject,
    images: Images,
    measured: Measured,
    names: Sequence[str],
    classes: Sequence[ClassResult],
    found: Discovered | None,
    method: AttentionMethod | None,
    on_step: OnStep | None = None,
) -> Pictures:
    """Pictures of the most telling photos of the classes that rely most on the background.

    Args:
        subject: the classifier.
        images: N photos with masks.
        measured: its answers.
        names: of its outputs.
        classes: what was found of each class.
        found: groups of backgrounds, if any.
        method: of the attention, if any.
        on_step: told how far it is: maps of attention take many passes each.
    """
    shown = sorted(classes, key=_reliance, reverse=True)[:MOST_CLASSES]
    each = max(1, min(_OF_A_CLASS, _MOST_SERIES // max(1, len(shown))))
    by_class: dict[str, tuple[Series, ...]] = {result.name: () for result in shown}
    wanted = [(result.name, place) for result in shown for place in result.telling[:each]]
    for done, (name, place) in enumerate(wanted, start=1):
        by_class[name] += (_series(subject, images, measured, names, place, method),)
        if on_step is not None:
            on_step("pictures", done, len(wanted))
    turns = [
        own[turn]
        for turn in range(each)
        for own in (by_class[result.name] for result in shown)
        if turn < len(own)
    ]
    turns.sort(key=lambda series: not series.turned)
    strips = tuple(_strip(images, places) for places in found.typical) if found else ()
    return Pictures(tuple(turns[:_ON_TOP]), by_class, strips)


def _reliance(result: ClassResult) -> float:
    estimate = result.figures.reliance
    return -1.0 if estimate is None else estimate.value


def _series(
    subject: Subject,
    images: Images,
    measured: Measured,
    names: Sequence[str],
    place: int,
    method: AttentionMethod | None,
) -> Series:
    at = torch.tensor([place])
    photos, masks = read(images, at)
    label = int(measured.labels[place])
    own, other = (
        on_background_of(photos, masks, *read(images, donors[at]))
        for donors in (measured.donors.own, measured.donors.other)
    )
    made = {
        "as_is": ("", photos, measured.as_is),
        "own": (" on a background that speaks for it", own, measured.own),
        "other": (" on a background that speaks against it", other, measured.other),
        "gone": (" without the object", without_object(photos, masks), measured.gone),
        "alone": (": the background alone", background_alone(photos, masks), measured.alone),
    }
    shots = [
        _shot(kind, image[0], f"{names[label]}{what}", int(answers[place]), label, names)
        for kind, (what, image, answers) in made.items()
    ]
    if method is not None:
        seen = maps_of(subject, photos, measured.as_is[at], method, fine=True)[0]
        lit = embedded(spotlight(photos[0], seen), is_photo(photos[0]))
        shots.insert(1, Shot("attention", lit, f"{names[label]}: where the classifier looks"))
    turned = bool(measured.own[place] == label) and bool(measured.other[place] != label)
    return Series(place, names[label], turned, tuple(shots))


def _shot(
    kind: str, image: Tensor, what: str, answer: int, label: int, names: Sequence[str]
) -> Shot:
    right = answer == label
    said = f"{what}; the answer is {names[answer]}, {'right' if right else 'wrong'}"
    return Shot(kind, picture(image), said, names[answer], right)


def _strip(images: Images, places: Sequence[int]) -> tuple[str, ...]:
    photos, masks = read(images, torch.tensor(places))
    return tuple(picture(image) for image in background_alone(photos, masks))
