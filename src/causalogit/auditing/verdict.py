"""Sentences made from figures: they say what the figures carry, and no more."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from causalogit.auditing.result import ClassResult, Figures, Verdict, Word
from causalogit.auditing.statistics import Estimate

_SPENT = 0.15  # accuracy lost to cutting and pasting alone from which on it is worth a warning
_LITTLE_LEFT = 0.6  # part of the photo that objects take from which on little background is left

_TITLES: dict[Word, str] = {
    "relies": "This classifier relies on the background.",
    "leans": "The background has a say in what this classifier answers.",
    "does_not": "This classifier does not rely on the background.",
    "unclear": "These photos cannot tell whether this classifier relies on the background.",
    "unmeasured": "What this classifier relies on could not be measured on these photos.",
}


def word_for(figures: Figures, threshold: float) -> Word:
    """What the interval of the reliance carries.

    "relies" and "does_not": all of it is beyond the threshold, or below; "leans": it reaches over
    the threshold, but not down to no effect at all; "unclear": it holds both, or it is below, but
    there is nothing that could turn, since the answers are no better than chance where the
    background helps, or so little better that they are not where it hinders. An effect below zero
    is one as well: answers that turn away from what the background alone speaks for.
    """
    reliance = figures.reliance
    if reliance is None:
        return "unmeasured"
    if reliance.low >= threshold or reliance.high <= -threshold:
        return "relies"
    if -threshold < reliance.low and reliance.high < threshold:
        blind = answers_blindly(figures) or _little_to_turn(figures, threshold)
        return "unclear" if blind else "does_not"
    return "leans" if reliance.low > 0 or reliance.high < 0 else "unclear"


def class_verdict(name: str, figures: Figures, threshold: float) -> Verdict:
    """One sentence on one class."""
    word = word_for(figures, threshold)
    own, other, reliance = figures.own, figures.other, figures.reliance
    if own is None or other is None or reliance is None:
        return Verdict(word, "Not measured: too few photos have both an object and a background.")
    compared = (
        f"on a background that speaks for “{isolated(name)}” {percent(own.value)} are named right, "
        f"on one that speaks against it {percent(other.value)}"
    )
    begins = {
        "relies": "Relies on the background",
        "leans": "The background has a say",
        "does_not": "Does not rely on the background",
    }
    if word in begins:
        text = f"{begins[word]}: {compared}; {_turning(reliance, 'it')}."
    elif answers_blindly(figures) or _little_to_turn(figures, threshold):
        text = (
            f"Cannot be told: {compared}, and chance alone would reach "
            f"{percent(_by_chance(figures))}."
        )
    else:
        text = (
            f"Cannot be told from {reliance.n} photos: {compared}, a difference that may well be "
            "chance."
        )
    if own.high < 0.5 and word != "unclear":
        text = f"{text[:-1]}; it is seldom right to begin with."
    return Verdict(word, text)


def overall_verdict(figures: Figures, classes: Sequence[ClassResult], threshold: float) -> Verdict:
    """The headline, and where single classes differ from it."""
    word = word_for(figures, threshold)
    text = _TITLES[word]
    if word in ("does_not", "leans", "unclear"):
        reliant = [found.name for found in classes if found.verdict.word == "relies"]
        if reliant:
            more = f" and {len(reliant) - 3} more" if len(reliant) > 3 else ""
            named = f"{', '.join(map(isolated, reliant[:3]))}{more}"
            text = f"{text} In {len(reliant)} of {len(classes)} classes it relies on it: {named}."
    return Verdict(word, text)


def answers_blindly(figures: Figures) -> bool:
    """Whether the answers are no better than chance where the background speaks for them."""
    return figures.own_over_chance is not None and figures.own_over_chance.low <= 0


def _by_chance(figures: Figures) -> float:
    """What chance alone would reach of one class, on the background that speaks for it."""
    own, beyond = figures.own, figures.own_over_chance
    return 0.0 if own is None or beyond is None else max(0.0, own.value - beyond.value)


def _little_to_turn(figures: Figures, threshold: float) -> bool:
    """Whether few answers turn only because few are better than chance to begin with.

    No accusation hangs on it, but an all-clear would: a classifier whose outputs are read in the
    wrong order answers at random whatever the background is.
    """
    other, reliance = figures.other_over_chance, figures.reliance
    if other is None or reliance is None:
        return False
    return reliance.high < threshold and other.low <= 0


def cautions(figures: Figures, boxed: float, photos: int, apart: int) -> tuple[str, ...]:
    """What speaks against trusting the figures.

    Args:
        figures: of all photos.
        boxed: share of the masks that are boxes.
        photos: how many there are.
        apart: how many have both object and background.
    """
    found = []
    if figures.as_is_over_chance is not None and figures.as_is_over_chance.low <= 0:
        found.append(
            "On the photos as they are, the answers are hardly better than chance. If this "
            "classifier comes from elsewhere: is the order of its outputs right (model.outputs), "
            "and the normalisation (model.mean, model.std)?"
        )
    if apart < photos:
        found.append(
            f"{photos - apart} of {photos} photos show next to no object, or next to no background;"
            " they count in the accuracy as it is, and nowhere else."
        )
    if boxed > 0.9:
        found.append(
            "The masks are boxes: some of the old background stays with every object, so a "
            "reliance on the background is understated."
        )
    if figures.area > _LITTLE_LEFT:
        found.append(
            f"The objects take {percent(figures.area)} of the photos: little background is left to "
            "be swapped."
        )
    if figures.as_is and figures.own and figures.as_is.low - figures.own.high > _SPENT:
        found.append(
            "To be cut out and pasted costs right answers by itself: "
            f"{percent(figures.as_is.value)} as they are, {percent(figures.own.value)} on a new "
            "background of their own class. Both sides of the comparison are pasted, so what is "
            "said of the background holds for pasted photos."
        )
    return tuple(found)


def lead(figures: Figures, object_name: str) -> str:
    """What was done and what came out, for a reader who knows nothing of it yet."""
    own, other, reliance = figures.own, figures.other, figures.reliance
    if own is None or other is None or reliance is None:
        return "Too few photos show both an object and a background."
    return (
        f"The same {object_name}s, cut out and put on other backgrounds: {percent(own.value)} are "
        f"named right where the background speaks for their class, {percent(other.value)} where it "
        f"speaks against it. So {_turning(reliance, 'the background alone')}."
    )


def isolated(name: str) -> str:
    """A name that is written from right to left, so that it leaves the words around it alone."""
    if any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name):
        return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
    return name


def percent(value: float) -> str:
    """A share in whole per cent; of differences, with a proper minus and never minus zero."""
    whole = str(round(100 * value)).replace("-", "\N{MINUS SIGN}")
    return f"{whole}\N{NO-BREAK SPACE}%"


def _turning(estimate: Estimate, name: str) -> str:
    """How many answers turn with the background, which is called `name`."""
    low, high = (round(100 * end) for end in (estimate.low, estimate.high))
    if low > 0:
        return f"{_range(low, high)} in 100 answers turn with {name}"
    if high < 0:
        return (
            f"{_range(-high, -low)} in 100 answers turn with {name}, away from what it speaks for"
        )
    return f"at most {max(1, high, -low)} in 100 answers turn with {name}, on balance"


def _range(low: int, high: int) -> str:
    return f"{low} to {high}" if high > low else f"{low}"
