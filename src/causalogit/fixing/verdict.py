"""Sentences made from figures before and after: they claim what the intervals carry, no more."""

from __future__ import annotations

from causalogit.auditing import Audit, Estimate
from causalogit.auditing.verdict import answers_blindly, isolated, percent
from causalogit.fixing.result import Change, Gap, Outcome, OutcomeWord

_FIXED = (("relies", "does_not"), ("leans", "does_not"))
_LITTLE = 0.05  # a gap this small is none to close


def outcome_of(
    before: Audit, after: Audit, accuracy: Change, reliance: Change | None, gap: Gap | None
) -> Outcome:
    """What the figures carry.

    "fixed": it went by the background, the reliance has gone down, all of its interval is below the
    threshold now, and the gap has not grown; "better" and "worse": reliance or gap have changed by
    more than chance would explain, and not in opposite ways; "worse" as well where the answers are
    no better than chance now, and were before, or where the average came down and nothing was won
    for it; "mixed": in opposite ways, or the average came down by more than the worst group has
    risen; "nothing_to_fix": it did not rely on the background at either time; "unchanged": all
    else, and answers that are no better than chance at either time.
    A gap is closed by a worst group that rises, not by an average that comes down to it, and grown
    by one that falls, not by an average that leaves it.

    Args:
        before: the first audit.
        after: the second.
        accuracy: photos as they are.
        reliance: answers that turn with the background.
        gap: average less worst group.
    """
    turning = 0
    if reliance is not None and not _blind(before):
        turning = _turning(reliance)
    smaller = _move(gap.less.low, gap.less.high) if gap else 0
    levelled = smaller > 0 and gap is not None and _rise(gap) <= 0
    left = smaller < 0 and gap is not None and _rise(gap) >= 0
    behind = 0 if levelled or left else -smaller
    fall = -accuracy.difference.value if accuracy.difference.high < 0 else 0.0
    won = turning <= 0 <= smaller and smaller - turning > 0
    paid = won and gap is not None and _rise(gap) < fall
    words = before.verdict.word, after.verdict.word
    word: OutcomeWord = "unchanged"
    if _blind(after):  # an answer that never changes does not turn with the background either
        word = "unchanged" if _blind(before) else "worse"
    elif turning * behind < 0 or paid:
        word = "mixed"
    elif turning < 0 and words in _FIXED:
        word = "fixed"
    elif turning + behind < 0:
        word = "better"
    elif turning + behind > 0 or fall:
        word = "worse"
    elif words == ("does_not", "does_not"):
        word = "nothing_to_fix"
    sentences = [reliance_sentence(reliance)] if reliance else []
    if gap is not None:
        sentences.append(gap_sentence(gap))
    sentences.append(accuracy_sentence(accuracy))
    headline = _headline(word, after, turning, paid)
    if _blind(after):
        headline = _BLIND_BOTH if _blind(before) else _BLIND
    return Outcome(word, headline, tuple(sentences), gap_sentence(gap) if gap else headline)


def _blind(audit: Audit) -> bool:
    """Whether the answers are no better than chance, and none of them turn with the background."""
    reliance = audit.overall.reliance
    turns = reliance is not None and _move(reliance.low, reliance.high) != 0
    return answers_blindly(audit.overall) and not turns


def _turning(reliance: Change) -> int:
    """Whether fewer answers turn with the background now (-1) or more (1), whichever way."""
    change = _upright(reliance)
    first, last = change.before, change.after
    if last.high < 0:  # they turn the other way now
        return _move(-last.high - first.high, -last.low - first.low)
    return _move(change.difference.low, change.difference.high)


def _upright(change: Change) -> Change:
    """The change as one of answers that followed the background before, if those turned away."""
    if change.before.high >= 0:
        return change
    return Change(*(Estimate(-e.value, -e.high, -e.low, e.n) for e in vars(change).values()))


def _rise(gap: Gap) -> float:
    """How much better the worst group is than the worst one was, whichever they are."""
    return gap.worst_after.accuracy.after.value - gap.worst_before.accuracy.before.value


def _move(low: float, high: float) -> int:
    """Whether an interval is all below zero, all above, or neither."""
    return (low > 0) - (high < 0)


_HEADLINES: dict[OutcomeWord, str] = {
    "fixed": "It went by the background; now it does not.",
    "better": "Its worst group has come nearer to the average.",
    "worse": "It did not help: it is worse than before.",
    "nothing_to_fix": "There was little to fix: it did not rely on the background before either.",
    "unchanged": "It did not help: no change that could not be chance.",
}
_BLIND = "It did not help: its answers are no better than chance now."
_BLIND_BOTH = "Its answers are no better than chance, before and now: nothing can be told of it."
_STILL = {
    "relies": ", but it still relies on it",
    "leans": ", but it still has a say",
    "does_not": "",
}


def _headline(word: OutcomeWord, after: Audit, turning: int, paid: bool) -> str:
    if word == "mixed" and paid:
        if turning < 0:
            return "It goes by the background less than before, but the average came down."
        return "Its worst group is nearer to the average, but mostly because that came down."
    if word == "mixed":
        way = ("less", "further behind") if turning < 0 else ("more", "nearer to")
        return (
            f"It goes by the background {way[0]} than before, and its worst group is {way[1]} the "
            "average."
        )
    if word == "better" and turning < 0:
        still = _STILL.get(after.verdict.word, ", but whether it still does cannot be told")
        return f"It goes by the background less than before{still}."
    return _HEADLINES[word]


def reliance_sentence(change: Change) -> str:
    """On the answers that turn with the background."""
    away = change.before.high < 0
    change = _upright(change)
    first, last, d = change.before, change.after, change.difference
    way = ", away from the class that it speaks for" if away else ""
    begun = f"Of 100 answers, {_count(first.value)} turned with the background alone before{way}"
    if _count(first.value) == _count(last.value) and d.low <= 0 <= d.high:
        return f"{begun}, and as many do now."
    turned = f"{begun}; now {_count(abs(last.value) if last.high < 0 else last.value)} do"
    if last.high < 0:
        return f"{turned}, but {'to' if away else 'away from'} the class that it speaks for."
    if d.high < 0:
        return f"{turned}: {_ends(-d.high, -d.low)} fewer."
    if d.low > 0:
        return f"{turned}: {_ends(d.low, d.high)} more."
    return f"{turned}, a difference that may well be chance."


def gap_sentence(gap: Gap) -> str:
    """On the worst group and its distance to the average: whether that has closed, and how far."""
    first, last = gap.worst_before, gap.worst_after
    points = [f"{max(0, round(100 * value))}" for value in (gap.before, gap.after)]
    told = (
        f"In the worst group {percent(first.accuracy.before.value)} were named right before "
        f"({isolated(first.label)}, {isolated(first.background)}), "
        f"{percent(last.accuracy.after.value)} are now "
        f"({isolated(last.label)}, {isolated(last.background)}): {points[0]} points behind the "
        f"average before, {points[1]} now"
    )
    if gap.less.high < 0:
        stayed = _rise(gap) >= 0
        return f"{told}. That gap has grown{', for the average alone has risen' if stayed else ''}."
    if gap.less.low <= 0:
        if gap.before < _LITTLE:
            return f"{told}. There was hardly a gap to close."
        if min(_rise(gap), _rise(gap) + gap.after - gap.before) > _LITTLE:
            return f"{told}. That gap has not closed, for the average has risen as well."
        return f"{told}. That gap has not closed, as far as {gap.less.n:,} photos can tell."
    if _rise(gap) <= 0:
        return f"{told}. That gap is smaller, but only because the average came down."
    low, high = (max(0.0, end) / gap.before for end in (gap.less.low, gap.less.high))
    ends = _ends(low, min(1.0, high))
    closed = percent(min(1.0, gap.less.value / gap.before))
    return f"{told}. {closed} of that gap is closed (95% interval: {ends})."


def accuracy_sentence(change: Change) -> str:
    """On the photos as they are, and what a fall of them may mean."""
    d = change.difference
    told = (
        f"Of the photos as they are, {percent(change.before.value)} were named right before, "
        f"{percent(change.after.value)} are now"
    )
    if d.low <= 0 <= d.high:
        return f"{told}, a difference that may well be chance."
    if d.low > 0:
        return f"{told}."
    return (
        f"{told}: a cost. Where the backgrounds of photos speak for their classes, some of it is "
        "what was right by the background alone."
    )


def _count(value: float) -> str:
    return f"{max(0, round(100 * value))}"


def _ends(low: float, high: float) -> str:
    ends = [f"{100 * end:.0f}" for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
