"""Sentences at the top, made from the numbers: they say what the numbers carry and no more."""

from __future__ import annotations

from dataclasses import dataclass

from causalogit.report.lineup import Entry, Lineup
from causalogit.report.measures import Measures
from causalogit.report.scene import Scene

_MARGIN = 0.05  # a difference of shares below this is called none


@dataclass(frozen=True)
class Headline:
    """One sentence to remember, and the numbers behind it."""

    title: str
    lead: str


def headline(lineup: Lineup, measures: dict[str, Measures], scene: Scene) -> Headline:
    """The headline of a report; `measures` by the entries' keys."""
    best = lineup.best
    ours = measures[best.key]
    if lineup.reference is None or lineup.reference is best:
        looks = _looks(ours, scene)
        title = f"{best.title} looks at the {looks}" if looks else f"What {best.title} looks at"
        return Headline(f"{title}.", _lead([(best, ours)]))
    reference = lineup.reference
    theirs = measures[reference.key]
    title = _compare(reference, theirs, best, ours, scene)
    return Headline(title, _lead([(reference, theirs), (best, ours)]))


def _looks(measures: Measures, scene: Scene) -> str:
    """Where more attention lies than an even look would give, if that is clear."""
    if measures.inside is None or measures.area is None:
        return ""
    if measures.inside.mean <= measures.area:
        return "background"
    return scene.object if measures.inside.mean >= 2 * measures.area else ""


def _compare(reference: Entry, theirs: Measures, best: Entry, ours: Measures, scene: Scene) -> str:
    before, after = _looks(theirs, scene), _looks(ours, scene)
    if before and after and before != after:
        return f"{reference.title} looks at the {before}; {best.title} looks at the {after}."
    if before and before == after:
        return f"{reference.title} and {best.title} both look at the {before}."
    if ours.inside and theirs.inside and ours.inside.mean > theirs.inside.mean + _MARGIN:
        return f"{best.title} looks at the {scene.object} more than {reference.title} does."
    if ours.misled and theirs.misled and ours.misled.mean > theirs.misled.mean + _MARGIN:
        return f"{best.title} is misled by the background less often than {reference.title}."
    return f"{best.title} relies on the background about as much as {reference.title}."


def _lead(known: list[tuple[Entry, Measures]]) -> str:
    """Right answers, and answers that follow the background, where the background misleads."""
    clauses = [
        f"{entry.title} is right on {measures.misled.mean:.0%}"
        + (" of the test images" if place == 0 else "")
        + f" and names the background's class on {measures.follows.mean:.0%}"
        for place, (entry, measures) in enumerate(known)
        if measures.misled is not None and measures.follows is not None
    ]
    return f"Where the background misleads, {'; '.join(clauses)}." if clauses else ""
