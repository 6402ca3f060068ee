"""Sentences at the top, made from the numbers: they say what the numbers carry and no more."""

from __future__ import annotations

import math
from dataclasses import dataclass

from causalogit.report.lineup import Entry, Lineup
from causalogit.report.measures import Measures, Spread
from causalogit.report.scene import Scene

_MARGIN = 0.05  # a difference of shares below this is called none
_EVEN = 0.01  # attention this close to an even look's share is called even
_FEW = 20  # test images below which nothing is said of methods
_SINGLE_SEED = "A single seed cannot tell how much of a difference is chance."


@dataclass(frozen=True)
class Headline:
    """One sentence to remember, and the numbers behind it."""

    title: str
    lead: str


def headline(lineup: Lineup, measures: dict[str, Measures], scene: Scene) -> Headline:
    """The headline of a report; `measures` by the entries' keys.

    It is about what the answers rest on where an attribute gives every class away, and about right
    answers alone otherwise.
    """
    best, reference = lineup.best, lineup.reference
    known = [(best, measures[best.key])]
    if reference is not None and reference is not best:
        known.insert(0, (reference, measures[reference.key]))
    if not scene.distinct:
        return _right_answers(known)
    lead = _lead(known, scene)
    caution = _caution(known, scene)
    if len(known) == 1:
        looks = "" if caution else _looks(known[0][1], scene)
        title = f"{best.title} looks at the {looks}" if looks else f"What {best.title} looks at"
        return Headline(f"{title}.", f"{lead} {caution}".strip())
    (before, theirs), (after, ours) = known
    if caution:
        return Headline(f"What {before.title} and {after.title} answer.", f"{lead} {caution}")
    if len(ours.misleading) == 1:
        lead += f" {_SINGLE_SEED}"
    return Headline(_compare(before, theirs, after, ours, scene), lead.strip())


def _caution(known: list[tuple[Entry, Measures]], scene: Scene) -> str:
    """Why the answers say nothing of what they rest on; empty where they do."""
    counts = [count for _, measures in known for count in measures.leading]
    if counts and min(counts) < _FEW:
        return f"Fewer than {_FEW} such images tell nothing of a method."
    for entry, measures in known:
        chance = 1 / len(measures.classes) if measures.classes else 0.0
        agreeing = measures.agreeing
        if agreeing is not None and agreeing.mean <= chance + _MARGIN:
            return (
                f"Where the {scene.attribute} agrees, {entry.title} is right on "
                f"{agreeing.mean:.0%}, no better than chance."
            )
    return ""


def _looks(measures: Measures, scene: Scene) -> str:
    """Where more attention lies than an even look would give, if that is clear.

    Answers decide: what names the attribute's class does not look at the object, and what never
    does, not at the background, whatever the maps show.
    """
    if measures.inside is None or measures.area is None or scene.on_the_object:
        return ""
    follows = measures.follows.mean if measures.follows is not None else None
    if measures.inside.mean <= measures.area - _EVEN:
        return "" if follows is not None and follows <= _MARGIN else "background"
    clear = measures.inside.mean >= 2 * measures.area and (follows is None or follows < 0.5)
    return scene.object if clear else ""


def _compare(reference: Entry, theirs: Measures, best: Entry, ours: Measures, scene: Scene) -> str:
    """What attention says, where answers say the same; else what answers say."""
    before, after = _looks(theirs, scene), _looks(ours, scene)
    relies = _relies(theirs, ours)
    way = "more" if after == "background" else "less"
    if before and after and before != after and relies == way:
        return f"{reference.title} looks at the {before}; {best.title} looks at the {after}."
    if before and before == after and relies == "as much":
        return f"{reference.title} and {best.title} both look at the {before}."
    if (
        ours.inside
        and theirs.inside
        and not scene.on_the_object
        and ours.inside.mean > theirs.inside.mean + _MARGIN
        and relies == "less"
    ):
        return f"{best.title} looks at the {scene.object} more than {reference.title} does."
    if relies == "as much":
        return f"{best.title} relies on the {scene.attribute} about as much as {reference.title}."
    if relies:
        misled = f"is misled by the {scene.attribute} {relies} often"
        return f"{best.title} {misled} than {reference.title}."
    return f"What {reference.title} and {best.title} answer."


def _relies(theirs: Measures, ours: Measures) -> str:
    """How often ours names the attribute's class, beside theirs: less, more, as much, or empty."""
    if ours.follows is None or theirs.follows is None:
        return ""
    difference = ours.follows.mean - theirs.follows.mean
    if abs(difference) <= max(_MARGIN, _room(theirs, ours)):
        return "as much"
    return "more" if difference > 0 else "less"


def _room(theirs: Measures, ours: Measures) -> float:
    """How far apart chance alone rarely moves two shares `follows`.

    Both deviations over seeds together; of a single seed, twice the standard error of the
    difference between two samples of that many images.
    """
    pair = [own.follows for own in (theirs, ours) if own.follows is not None]
    deviations = [own.deviation for own in pair if own.deviation is not None]
    if len(deviations) == len(pair):
        return sum(deviations)
    count = min((*theirs.leading, *ours.leading), default=_FEW)
    return 2 * math.sqrt(sum(own.mean * (1 - own.mean) for own in pair) / count)


def _lead(known: list[tuple[Entry, Measures]], scene: Scene) -> str:
    """Right answers, and answers that follow the attribute, where it misleads."""
    clauses = []
    for place, (entry, measures) in enumerate(known):
        if measures.misled is None:
            continue
        clause = f"{entry.title} is right on {measures.misled.mean:.0%}"
        clause += f" of {_images(measures.misleading)}" if place == 0 else ""
        if measures.follows is not None:
            clause += f" and names the {scene.attribute}'s class on {measures.follows.mean:.0%}"
        clauses.append(clause)
    return f"Where the {scene.attribute} misleads, {'; '.join(clauses)}." if clauses else ""


def _images(counts: tuple[int, ...]) -> str:
    if not counts:
        return "the test images"
    some = "" if len(set(counts)) == 1 else "some "
    number = round(sum(counts) / len(counts))
    return f"{some}{number:,} test {'image' if number == 1 else 'images'}"


def _right_answers(known: list[tuple[Entry, Measures]]) -> Headline:
    """Balanced accuracy: one method held against the other, with the spread over seeds."""
    clauses = [
        f"{entry.title} is right on {_percent(measures.worst)}"
        for entry, measures in known
        if measures.worst is not None
    ]
    lead = f"In the class that does worst, {'; '.join(clauses)}." if clauses else ""
    best, ours = known[-1]
    if ours.balanced is None:
        return Headline(f"What {best.title} answers.", lead)
    theirs = known[0][1].balanced
    if len(known) == 1 or theirs is None:
        title = f"{best.title} is right on {_percent(ours.balanced)} of the test images"
        return Headline(f"{title}, every class alike.", lead)
    reference = known[0][0].title
    numbers = f"{_percent(ours.balanced)} against {_percent(theirs)}, every class alike."
    if ours.balanced.deviation is None or theirs.deviation is None:
        return Headline(
            f"{best.title} and {reference}: {numbers}", f"{lead} {_SINGLE_SEED}".strip()
        )
    # chance alone rarely moves two means further apart than both deviations together
    room = ours.balanced.deviation + theirs.deviation
    if abs(ours.balanced.mean - theirs.mean) <= room:
        return Headline(f"{best.title} is right about as often as {reference}: {numbers}", lead)
    word = "more" if ours.balanced.mean > theirs.mean else "less"
    return Headline(f"{best.title} is right {word} often than {reference}: {numbers}", lead)


def _percent(spread: Spread) -> str:
    if spread.deviation is None:
        return f"{spread.mean:.1%}"
    # no-break spaces: the numbers stay together where a title is broken
    return f"{100 * spread.mean:.1f}\xa0\N{PLUS-MINUS SIGN}\xa0{100 * spread.deviation:.1f}%"
