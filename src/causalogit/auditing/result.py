"""What an audit found, as plain fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from causalogit.auditing.statistics import Estimate
from causalogit.files import write_json, write_text

if TYPE_CHECKING:
    from pandas import DataFrame

    from causalogit.auditing.pictures import Pictures

Word = Literal["relies", "leans", "does_not", "unclear", "unmeasured"]
"""What the figures carry about a reliance on the background; see `verdict.word_for`."""

SCHEMA = Path(__file__).with_name("audit.schema.json")
"""The JSON schema of `audit.json`."""


@dataclass(frozen=True)
class Figures:
    """Figures of some photos; None where there was nothing to measure them on.

    Attributes:
        as_is: share of right answers to the photos as they are.
        own: the same, to the objects on a background from their own class that speaks for it.
        other: the same, on a background from another class that speaks against it.
        reliance: `own` less `other`, of the same photos: the share of the answers that follow the
            background. 0 for a classifier that goes by the object, 1 for one that goes by the
            background alone.
        gone: share of photos whose class is still named once the object is filled with grey.
        alone: the same, on the background alone, which shows not even an outline.
        own_by_chance, gone_by_chance, alone_by_chance: what these answers would reach if they knew
            nothing of the photo.
        as_is_over_chance, own_over_chance, other_over_chance: recall, every class counting the
            same, beyond that of answers that know nothing of the photo: whether they know anything
            is told by these, as in a set of one large class chance alone is right most of the time.
        unchanged: share of answers that stay when the object is gone.
        unchanged_by_chance: what two answers that know nothing of each other would reach.
        attention: share of the attention that lies on the object, of the photos that it was mapped
            on.
        attention_by_chance: that of a classifier that looks everywhere alike: the part that the
            object takes of the same photos, on average.
        area: part of the photo that the object takes, on average.
    """

    as_is: Estimate | None
    own: Estimate | None
    other: Estimate | None
    reliance: Estimate | None
    gone: Estimate | None
    alone: Estimate | None
    own_by_chance: float | None
    gone_by_chance: float | None
    alone_by_chance: float | None
    as_is_over_chance: Estimate | None
    own_over_chance: Estimate | None
    other_over_chance: Estimate | None
    unchanged: Estimate | None
    unchanged_by_chance: float | None
    attention: Estimate | None
    attention_by_chance: float | None
    area: float


@dataclass(frozen=True)
class Verdict:
    """One sentence that says no more than the figures carry, and the word for it."""

    word: Word
    sentence: str


@dataclass(frozen=True)
class ClassResult:
    """One class.

    Attributes:
        name: of the class.
        photos: how many there are.
        figures: of them.
        verdict: in a sentence.
        telling: places of its photos that tell most: the answer flips with the background.
    """

    name: str
    photos: int
    figures: Figures
    verdict: Verdict
    telling: tuple[int, ...]


@dataclass(frozen=True)
class GroupResult:
    """The photos of one class on one kind of background.

    Attributes:
        label: name of the class.
        background: name of the group of backgrounds.
        accuracy: share of right answers to the photos as they are.
    """

    label: str
    background: str
    accuracy: Estimate


@dataclass(frozen=True)
class SmallGroup:
    """The photos of one class on one kind of background, too few for a figure.

    Attributes:
        label: name of the class.
        background: name of the group of backgrounds.
        photos: how many.
        right: how many of them are named right as they are.
    """

    label: str
    background: str
    photos: int
    right: int


_MOST_SMALL = 4  # that are named in words


@dataclass(frozen=True)
class Groups:
    """Groups of backgrounds, known or discovered, and how the classifier does in each.

    Attributes:
        backgrounds: their names.
        of_photo: number of every photo's background; -1 where it has none.
        results: every class on every background that has photos enough, the worst first.
        small: those that have some, but too few for a figure.
        silhouette: how clearly discovered groups are apart, in [-1, 1]; None of known ones.
        agreement: adjusted Rand index of discovered groups with the known ones; None without.
    """

    backgrounds: tuple[str, ...]
    of_photo: tuple[int, ...]
    results: tuple[GroupResult, ...]
    small: tuple[SmallGroup, ...] = ()
    silhouette: float | None = None
    agreement: float | None = None

    @property
    def worst(self) -> GroupResult:
        """Where the classifier does worst."""
        return self.results[0]

    @property
    def left_out(self) -> str:
        """What is to be known of the groups that have no figure, in words; nothing where all do."""
        if not self.small:
            return ""
        told = [
            f"{own.label} on {own.background} ({own.right} of {own.photos} right)"
            for own in self.small[:_MOST_SMALL]
        ]
        rest = len(self.small) - len(told)
        more = f" and {rest} more" if rest else ""
        return f"too few photos for a figure: {', '.join(told)}{more}"


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        classifier: name of the classifier.
        data: name of the photos.
        object_name: what a photo shows, as one word.
        photos: how many there are.
        taken_apart: how many of them have both an object and a background.
        overall: figures of all photos.
        verdict: about all of them.
        classes: the classes that have photos.
        known: groups that the data names; None without.
        discovered: groups that were found in the backgrounds; None where there are none.
        attention_method: how attention was mapped; None where it was not.
        cautions: what speaks against trusting the figures, in sentences.
        settings: what the audit was made with.
        per_photo: answers and more by name, a value a photo.
        pictures: of the page; None where none were asked for.
    """

    classifier: str
    data: str
    object_name: str
    photos: int
    taken_apart: int
    overall: Figures
    verdict: Verdict
    classes: tuple[ClassResult, ...]
    known: Groups | None
    discovered: Groups | None
    attention_method: str | None
    cautions: tuple[str, ...]
    settings: Mapping[str, Any]
    per_photo: Mapping[str, list[Any]]
    pictures: Pictures | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures as plain values, as `audit.json` has it."""
        return as_plain({name: value for name, value in vars(self).items() if name != "pictures"})

    def to_json(self, path: Path | str) -> Path:
        """Write `audit.json`; its schema is the file `SCHEMA`."""
        path = Path(path)
        write_json(path, self.to_dict())
        return path

    def to_html(self, path: Path | str) -> Path:
        """Write the page, one file that needs no other.

        Raises:
            ValueError: the audit was made without pictures.
        """
        from causalogit.auditing.page import render

        path = Path(path)
        write_text(path, render(self))
        return path

    def to_pandas(self, what: Literal["classes", "photos", "groups"] = "classes") -> DataFrame:
        """A table with a row a class, a photo, or a class on a background.

        Estimates become four columns: `reliance`, `reliance_low`, `reliance_high`, `reliance_n`.

        Raises:
            ValueError: there is no such table.
        """
        if what not in ("classes", "photos", "groups"):
            raise ValueError(f"there is no table '{what}': choose classes, photos or groups")
        import pandas

        if what == "photos":
            return pandas.DataFrame(dict(self.per_photo))
        if what == "groups":
            rows = [
                {"kind": kind, "class": r.label, "background": r.background}
                | _columns("accuracy", r.accuracy)
                for kind, groups in (("known", self.known), ("discovered", self.discovered))
                for r in (groups.results if groups else ())
            ]
            return pandas.DataFrame(rows)
        return pandas.DataFrame([_row(found) for found in self.classes])


def _row(found: ClassResult) -> dict[str, Any]:
    row: dict[str, Any] = {"class": found.name, "photos": found.photos}
    for name, value in vars(found.figures).items():
        row |= _columns(name, value)
    return row | {"verdict": found.verdict.word, "sentence": found.verdict.sentence}


def _columns(name: str, value: Estimate | float | None) -> dict[str, Any]:
    if not isinstance(value, Estimate):
        return {name: value}
    return {
        name: value.value,
        f"{name}_low": value.low,
        f"{name}_high": value.high,
        f"{name}_n": value.n,
    }


def as_plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Results as a JSON file holds them, with the version of its schema."""
    plain: dict[str, Any] = json.loads(
        json.dumps({"version": 1, **fields}, default=asdict, allow_nan=False)
    )
    return plain
