"""Sentences at the top, made from the numbers: they say what the numbers carry and no more."""

from __future__ import annotations

from dataclasses import dataclass

from causalogit.report.lineup import Entry, Lineup
from causalogit.report.measures import Measures, Spread
from causalogit.report.scene import Scene

_MARGIN = 0.05  # a difference of shares below this is called none
_EVEN = 0.01  # attention this close to an even look's share is called even


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
    if len(known) == 1:
        looks = _looks(known[0][1], scene)
        title = f"{best.title} looks at the {looks}" if looks else f"What {best.title} looks at"
        return Headline(f"{title}.", _lead(known, scene))
    (before, theirs), (after, ours) = known
    return Headline(_compare(before, theirs, after, ours, scene), _lead(known, scene))


def _looks(measures: Measures, scene: Scene) -> str:
    """Where more attention lies than an even look would give, if that is clear."""
    if measures.inside is None or measures.area is None or scene.on_the_object:
        return ""
    if measures.inside.mean <= measures.area - _EVEN:
        return "background"
    return scene.object if measures.inside.mean >= 2 * measures.area else ""


def _compare(reference: Entry, theirs: Measures, best: Entry, ours: Measures, scene: Scene) -> str:
    before, after = _looks(theirs, scene), _looks(ours, scene)
    if before and after and before != after:
        return f"{reference.title} looks at the {before}; {best.title} looks at the {after}."
    if before and before == after:
        return f"{reference.title} and {best.title} both look at the {before}."
    if (
        ours.inside
        and theirs.inside
        and not scene.on_the_object
        and ours.inside.mean > theirs.inside.mean + _MARGIN
    ):
        return f"{best.title} looks at the {scene.object} more than {reference.title} does."
    return _misled(reference, theirs, best, ours, scene)


def _misled(reference: Entry, theirs: Measures, best: Entry, ours: Measures, scene: Scene) -> str:
    if ours.misled is None or theirs.misled is None:
        return f"What {reference.title} and {best.title} answer."
    if abs(ours.misled.mean - theirs.misled.mean) <= _MARGIN:
        return f"{best.title} relies on the {scene.attribute} about as much as {reference.title}."
    word = "less" if ours.misled.mean > theirs.misled.mean else "more"
    return f"{best.title} is misled by the {scene.attribute} {word} often than {reference.title}."


def _lead(known: list[tuple[Entry, Measures]], scene: Scene) -> str:
    """Right answers, and answers that follow the attribute, where it misleads."""
    clauses = []
    for place, (entry, measures) in enumerate(known):
        if measures.misled is None:
            continue
        clause = f"{entry.title} is right on {measures.misled.mean:.0%}"
        clause += " of the test images" if place == 0 else ""
        if measures.follows is not None:
            clause += f" and names the {scene.attribute}'s class on {measures.follows.mean:.0%}"
        clauses.append(clause)
    return f"Where the {scene.attribute} misleads, {'; '.join(clauses)}." if clauses else ""


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
        lead += " A single seed cannot tell how much of a difference is chance."
        return Headline(f"{best.title} and {reference}: {numbers}", lead.strip())
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
