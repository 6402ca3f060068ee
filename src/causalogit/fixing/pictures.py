"""The same photos before and after: what was said of them, and where each classifier looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch

from causalogit.auditing import Audit, ClassResult, Subject
from causalogit.auditing.attend import maps_of, method_for
from causalogit.auditing.measure import on_background_of, read
from causalogit.data import Images
from causalogit.report.pictures import embedded, is_photo, picture, spotlight

MOST: Final = 6
"""Photos that are shown."""


@dataclass(frozen=True)
class Said:
    """An answer: the class, and whether that is the label."""

    says: str
    right: bool


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        kind: "photo", "looked", "looks" or "other".
        uri: the picture itself.
        alt: in words.
        before, after: what is said of it; None where nothing is.
    """

    kind: str
    uri: str
    alt: str
    before: Said | None = None
    after: Said | None = None


@dataclass(frozen=True)
class Series:
    """One photo.

    Attributes:
        label: its class.
        turned: whether the first answer was right on one background and wrong on the other.
        shots: pictures of it.
    """

    label: str
    turned: bool
    shots: tuple[Shot, ...]


def chosen_places(before: Audit) -> list[int]:
    """Photos that told most in the first audit, of every class in turn, those that turned first."""
    tells = [own.telling for own in sorted(before.classes, key=_reliance, reverse=True)]
    longest = max(map(len, tells), default=0)
    turns = [own[turn] for turn in range(longest) for own in tells if turn < len(own)]
    return sorted(turns, key=lambda place: not _turned(before, place))[:MOST]


def take_pictures(
    subjects: tuple[Subject, Subject],
    images: Images,
    audits: tuple[Audit, Audit],
    names: Sequence[str],
) -> tuple[Series, ...]:
    """Pictures of the photos that the first audit found most telling.

    The background that speaks against the class is the one that the first audit has chosen, for
    both.

    Args:
        subjects: the classifiers before and after; their outputs are the photos' classes.
        images: N photos with masks.
        audits: of both.
        names: of the classes, in the order of the outputs.
    """
    places = chosen_places(audits[0])
    return tuple(_series(subjects, images, audits, names, place) for place in places)


def _series(
    subjects: tuple[Subject, Subject],
    images: Images,
    audits: tuple[Audit, Audit],
    names: Sequence[str],
    place: int,
) -> Series:
    photos, masks = read(images, torch.tensor([place]))
    donor = torch.tensor([audits[0].per_photo["other_background_from"][place]])
    pasted = on_background_of(photos, masks, *read(images, donor))
    label = str(audits[0].per_photo["label"][place])
    plain = _answers(audits, "as_is", place)
    new = subjects[1].answer(pasted).argmax(1).item()
    against = (
        _said(str(audits[0].per_photo["other_background"][place]), label),
        _said(names[int(new)], label),
    )
    shots = [Shot("photo", picture(photos[0]), label, *plain)]
    method = method_for(subjects[0], images)
    if method is not None:
        for kind, subject, answer, when in zip(
            ("looked", "looks"), subjects, plain, ("before", "after"), strict=True
        ):
            seen = maps_of(
                subject, photos, torch.tensor([names.index(answer.says)]), method, fine=True
            )[0]
            lit = embedded(spotlight(photos[0], seen), is_photo(photos[0]))
            shots.append(Shot(kind, lit, f"{label}: where the classifier looks, {when}"))
    shots.append(
        Shot(
            "other", picture(pasted[0]), f"{label} on a background that speaks against it", *against
        )
    )
    return Series(label, _turned(audits[0], place), tuple(shots))


def _answers(audits: Sequence[Audit], name: str, place: int) -> list[Said]:
    return [
        _said(str(own.per_photo[name][place]), str(own.per_photo["label"][place])) for own in audits
    ]


def _said(says: str, label: str) -> Said:
    return Said(says, says == label)


def _turned(audit: Audit, place: int) -> bool:
    label, own, other = (
        audit.per_photo[name][place] for name in ("label", "own_background", "other_background")
    )
    return bool(own == label != other)


def _reliance(result: ClassResult) -> float:
    estimate = result.figures.reliance
    return -1.0 if estimate is None else estimate.value
