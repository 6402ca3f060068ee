"""What a fix did, as plain fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from causalogit.auditing import Audit, Estimate
from causalogit.auditing.result import Word, as_plain
from causalogit.files import write_json, write_text
from causalogit.fixing.masked import Masks

if TYPE_CHECKING:
    from causalogit.fixing.pictures import Series

OutcomeWord = Literal["fixed", "better", "mixed", "unchanged", "worse", "nothing_to_fix"]
"""What the intervals carry; see `verdict.outcome_of`."""

SCHEMA = Path(__file__).with_name("fix.schema.json")
"""The JSON schema of `fix.json`."""


@dataclass(frozen=True)
class Change:
    """A figure before and after, and the second less the first, of the same photos."""

    before: Estimate
    after: Estimate
    difference: Estimate


@dataclass(frozen=True)
class GroupChange:
    """The photos of one class on one kind of background.

    Attributes:
        label: name of the class.
        background: name of the group of backgrounds.
        accuracy: photos as they are, named right.
    """

    label: str
    background: str
    accuracy: Change


@dataclass(frozen=True)
class Gap:
    """How far the worst group is behind the average.

    Attributes:
        before, after: the gap, as a share of the photos; there was one before.
        less: how much smaller it has become; negative where it has grown.
        worst_before, worst_after: the worst groups; they may differ.
        groups: all, those worst before first.
        known: whether the data names the groups; otherwise the first audit found them.
    """

    before: float
    after: float
    less: Estimate
    worst_before: GroupChange
    worst_after: GroupChange
    groups: tuple[GroupChange, ...]
    known: bool

    @property
    def closed(self) -> float:
        """Share of the gap that is gone."""
        return self.less.value / self.before


@dataclass(frozen=True)
class ClassChange:
    """One class.

    Attributes:
        name: of the class.
        photos: how many there are.
        accuracy: photos as they are, named right.
        reliance: answers that turn with the background; None where it could not be measured.
        word_before, word_after: what the audits' figures carry.
    """

    name: str
    photos: int
    accuracy: Change
    reliance: Change | None
    word_before: Word
    word_after: Word


@dataclass(frozen=True)
class Outcome:
    """What the figures carry, as a word, a headline and sentences.

    Attributes:
        word: for programs.
        headline: one sentence, on the background.
        sentences: on reliance, gap and accuracy, in this order; where each was measured.
        last: the one that says whether the gap has closed, or else the headline.
    """

    word: OutcomeWord
    headline: str
    sentences: tuple[str, ...]
    last: str


@dataclass(frozen=True)
class Fixed:
    """What a fix did.

    Attributes:
        classifier: name of the classifier.
        data: name of the photos.
        object_name: what a photo shows, as one word.
        photos: how many it was measured on.
        method: how it was trained.
        title: of the method.
        epochs: passes over the training photos.
        epoch: whose weights were taken.
        trained_on: training photos.
        meta: photos of the meta set.
        masks: where the masks come from.
        seen: whether the audited classifier may have been trained on the photos that it was
            measured on.
        left_out: outputs of the classifier that no photo is of; the new model does without them.
        outcome: in words.
        accuracy: photos as they are, named right.
        reliance: answers that turn with the background; None where it could not be measured.
        gap: average less worst group; None where it could not be measured.
        classes: each.
        before, after: the audits.
        model: what `model.json` says of the new model.
        settings: what it was made with.
        pictures: of the page; None where none were asked for.
    """

    classifier: str
    data: str
    object_name: str
    photos: int
    method: str
    title: str
    epochs: int
    epoch: int
    trained_on: int
    meta: int
    masks: Masks
    seen: Literal["no", "unknown"]
    left_out: int
    outcome: Outcome
    accuracy: Change
    reliance: Change | None
    gap: Gap | None
    classes: tuple[ClassChange, ...]
    before: Audit
    after: Audit
    model: Mapping[str, Any]
    settings: Mapping[str, Any]
    pictures: tuple[Series, ...] | None = field(default=None, repr=False)

    @property
    def cautions(self) -> list[str]:
        """What speaks against trusting the figures: of both audits, and of the fix itself."""
        before, after = self.before.cautions, self.after.cautions
        found = [text if text in after else f"Before the fix: {text}" for text in before]
        found += [f"After the fix: {text}" for text in after if text not in before]
        if self.left_out:
            found.append(
                "The new model leaves out what the classifier has outputs for and no photo is of "
                f"({self.left_out}); before and after are measured without."
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Everything but pictures and single photos as plain values, as `fix.json` has it."""
        fields = {name: value for name, value in vars(self).items() if name != "pictures"}
        for name in ("before", "after"):
            own: Audit = fields[name]
            fields[name] = {
                "verdict": own.verdict,
                "overall": own.overall,
                "audit": f"{name}/audit.json",
            }
        if self.gap is not None:
            fields["gap"] = asdict(self.gap) | {"closed": self.gap.closed}
        return as_plain(fields)

    def to_json(self, path: Path) -> Path:
        """Write `fix.json`; its schema is the file `SCHEMA`."""
        write_json(path, self.to_dict())
        return path

    def to_html(self, path: Path) -> Path:
        """Write the page, one file that needs no other.

        Raises:
            ValueError: it was made without pictures.
        """
        from causalogit.fixing.page import render

        write_text(path, render(self))
        return path
