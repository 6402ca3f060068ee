"""Changes are counted by slow loops; intervals hold what they should; sentences claim no more."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from causalogit.auditing import AuditConfig, Estimate, audit
from causalogit.auditing.statistics import mean_difference
from causalogit.fixing.compare import (
    accuracy_change,
    class_changes,
    gap_change,
    reliance_change,
)
from causalogit.fixing.result import Change, Gap, GroupChange
from causalogit.fixing.verdict import gap_sentence, outcome_of, reliance_sentence
from tests.auditing.conftest import Reads, make_samples


@pytest.fixture(scope="module")
def audits():
    samples = make_samples(240, correlation=0.7)
    quick = AuditConfig(attention=0)
    return [audit(Reads(*w), samples, quick, pictures=False) for w in ((1.0, 0.6), (1.0, 0.15))]


def rows(one):
    columns = ("label", "as_is", "own_background", "other_background")
    return list(zip(*(one.per_photo[name] for name in columns), strict=True))


def test_changes_are_those_of_single_photos(audits):
    before, after = audits
    accuracy, reliance = accuracy_change(before, after), reliance_change(before, after)
    turns = []
    for first, last in zip(rows(before), rows(after), strict=True):
        turn = [(r[2] == r[0]) - (r[3] == r[0]) for r in (first, last)]
        turns.append(turn[1] - turn[0])
    gained = sum(
        (b[1] == b[0]) - (a[1] == a[0]) for a, b in zip(rows(before), rows(after), strict=True)
    )
    assert accuracy.difference.value == pytest.approx(gained / 240)
    assert (accuracy.before, accuracy.after) == (before.overall.as_is, after.overall.as_is)
    assert (reliance.before, reliance.after) == (before.overall.reliance, after.overall.reliance)
    assert reliance.difference.value == pytest.approx(sum(turns) / 240)
    assert reliance.difference.high < 0
    hot, cold = class_changes(before, after)
    assert hot.photos * hot.accuracy.before.value + cold.photos * cold.accuracy.before.value == (
        pytest.approx(240 * accuracy.before.value)
    )


def test_the_gap_is_that_of_known_groups(audits):
    before, after = audits
    gap = gap_change(before, after, 0)
    assert gap.known
    lowest = [one.known.worst.accuracy.value for one in audits]
    assert gap.before == pytest.approx(before.overall.as_is.value - lowest[0])
    assert gap.after == pytest.approx(after.overall.as_is.value - lowest[1])
    assert gap.less.low < gap.less.value < gap.less.high
    assert gap.less.low > 0  # hot discs on dark ground are wrong before, and right after
    assert gap.closed == pytest.approx(1 - gap.after / gap.before)
    assert len(gap.groups) == 4
    # the same audit twice: no change, and no certainty about it either
    same = gap_change(before, before, 0)
    assert same.less.value == 0
    assert same.less.low < 0 < same.less.high
    found = gap_change(replace(before, known=None), after, 0)
    assert found is None or not found.known


def test_small_groups_and_groups_that_are_not_behind_say_nothing(audits):
    before, after = audits
    few = [place % 60 for place in range(240)]  # groups of two photos of a class
    known = replace(before.known, of_photo=tuple(few), backgrounds=tuple(map(str, range(60))))
    assert gap_change(replace(before, known=known), after, 0) is None
    right = replace(before, per_photo={**before.per_photo, "as_is": before.per_photo["label"]})
    assert gap_change(right, after, 0) is None


def test_an_interval_does_not_shrink_to_a_point():
    none = mean_difference(torch.zeros(50))
    assert none.low < 0 < none.high
    assert mean_difference(torch.zeros(0)) is None
    sure = mean_difference(-torch.ones(200) + 0.1 * torch.randn(200))
    assert sure.high < -0.9


def change(before, after, low, high, n=200):
    first, last = (Estimate(v, v - 0.05, v + 0.05, n) for v in (before, after))
    return Change(first, last, Estimate(after - before, low, high, n))


def gap_of(before, after, low, high):
    group = GroupChange("cow", "beach", change(0.9 - before, 0.9 - after, -1, 1))
    less = Estimate(before - after, low, high, 200)
    return Gap(before, after, less, group, group, (group,), known=True)


LEVEL = change(0.9, 0.9, -0.02, 0.02)


def word(one, name):
    return replace(one, verdict=replace(one.verdict, word=name))


FELL, LEFT = change(0.6, 0.02, -0.65, -0.5), change(0.6, 0.55, -0.1, 0.05)
CLOSED, GREW, OPEN = (
    gap_of(0.3, 0.1, 0.1, 0.3), gap_of(0.3, 0.5, -0.3, -0.1), gap_of(0.3, 0.28, -0.1, 0.1)
)  # fmt: skip


@pytest.mark.parametrize(
    ("reliance", "gap", "words", "expected"),
    [
        (FELL, CLOSED, ("relies", "does_not"), "fixed"),
        (FELL, OPEN, ("relies", "does_not"), "fixed"),
        (FELL, GREW, ("relies", "does_not"), "mixed"),
        (FELL, OPEN, ("unclear", "does_not"), "better"),
        (change(0.6, 0.3, -0.4, -0.2), OPEN, ("relies", "relies"), "better"),
        (LEFT, CLOSED, ("relies", "relies"), "better"),
        (LEFT, OPEN, ("relies", "relies"), "unchanged"),
        (LEFT, GREW, ("relies", "relies"), "worse"),
        (change(0.1, 0.3, 0.1, 0.3), None, ("leans", "relies"), "worse"),
        (change(0.01, 0.0, -0.03, 0.02), None, ("does_not", "does_not"), "nothing_to_fix"),
    ],
)
def test_the_outcome_is_what_the_intervals_carry(audits, reliance, gap, words, expected):
    before, after = (word(one, name) for one, name in zip(audits, words, strict=True))
    assert outcome_of(before, after, LEVEL, reliance, gap).word == expected


@pytest.mark.parametrize(
    ("worst", "reliance", "average", "expected"),
    [
        ((0.5, 0.45), LEFT, (0.95, 0.6), "mixed"),  # levelled down
        ((0.5, 0.45), FELL, (0.95, 0.6), "mixed"),
        ((0.5, 0.52), FELL, (0.95, 0.6), "mixed"),
        ((0.5, 0.75), FELL, (0.95, 0.9), "fixed"),
        ((0.5, 0.75), LEFT, (0.95, 0.9), "better"),
    ],
)
def test_a_gap_is_not_closed_by_an_average_that_comes_down(
    audits, worst, reliance, average, expected
):
    after = "does_not" if reliance is FELL else "relies"
    first, last = word(audits[0], "relies"), word(audits[1], after)
    group = GroupChange("cow", "beach", change(*worst, -1, 1))
    gaps = [a - w for a, w in zip(average, worst, strict=True)]
    less = Estimate(gaps[0] - gaps[1], gaps[0] - gaps[1] - 0.05, gaps[0] - gaps[1] + 0.05, 200)
    gap = Gap(*gaps, less, group, group, (group,), known=True)
    fall = average[1] - average[0]
    told = outcome_of(first, last, change(*average, fall - 0.03, fall + 0.03), reliance, gap)
    assert told.word == expected
    assert ("came down" in told.headline) == (expected == "mixed")
    risen = worst[1] > worst[0]
    assert told.last.endswith("only because the average came down.") != risen


def test_a_fall_for_which_nothing_was_won_is_no_change_by_chance(audits):
    first, last = (word(one, "relies") for one in audits)
    told = outcome_of(first, last, change(0.9, 0.8, -0.13, -0.07), LEFT, OPEN)
    assert told.word == "worse"


@pytest.mark.parametrize(
    ("before", "after", "words", "expected", "told"),
    [
        (-0.3, -0.02, ("relies", "does_not"), "fixed", "away from the class that it speaks for; now"
         " 2 do: 23 to 33 fewer."),
        (-0.1, -0.4, ("leans", "relies"), "worse", "speaks for; now 40 do: 25 to 35 more."),
        (-0.1, 0.4, ("leans", "relies"), "worse", "now 40 do, but to the class that it"),
        (-0.02, -0.4, ("does_not", "relies"), "worse", "now 40 do, but away from the class"),
        (0.3, -0.02, ("relies", "does_not"), "fixed", "before; now 0 do: 27 to 37 fewer."),
    ],
)  # fmt: skip
def test_answers_that_turned_away_from_the_background_are_compared_by_size(
    audits, before, after, words, expected, told
):
    first, last = (word(one, name) for one, name in zip(audits, words, strict=True))
    moved = change(before, after, after - before - 0.05, after - before + 0.05)
    assert outcome_of(first, last, LEVEL, moved, None).word == expected
    assert told in reliance_sentence(moved)


def test_an_answer_that_never_changes_is_no_success(audits):
    blind = audit(Reads(0.0, 0.0), make_samples(240), AuditConfig(attention=0), pictures=False)
    told = outcome_of(audits[0], blind, LEVEL, FELL, CLOSED)
    assert told.word == "worse"
    assert told.headline == "It did not help: its answers are no better than chance now."
    # nor does one that begins to say something go by the background more than before
    rose = change(0.0, 0.1, 0.05, 0.2)
    assert outcome_of(blind, audits[1], LEVEL, rose, CLOSED).word == "better"


def test_what_was_no_better_than_chance_and_still_is_is_not_worse(audits):
    blind = audit(Reads(0.0, 0.0), make_samples(240), AuditConfig(attention=0), pictures=False)
    told = outcome_of(blind, blind, LEVEL, LEFT, CLOSED)
    assert told.word == "unchanged"
    assert told.headline.startswith("Its answers are no better than chance, before and now")


def test_a_worst_group_that_an_average_leaves_behind_is_no_step_back(audits):
    before, after = (
        word(one, name) for one, name in zip(audits, ("relies", "does_not"), strict=True)
    )
    group = GroupChange("cow", "beach", change(0.0, 0.0, -0.02, 0.02))
    gap = Gap(0.2, 0.24, Estimate(-0.04, -0.05, -0.02, 200), group, group, (group,), known=True)
    told = outcome_of(before, after, change(0.2, 0.24, -0.01, 0.07), FELL, gap)
    assert told.word == "fixed"
    assert gap_sentence(gap).endswith("That gap has grown, for the average alone has risen.")


def test_as_many_answers_as_before_are_no_difference():
    same = reliance_sentence(change(0.004, -0.02, -0.05, 0.01))
    assert same == "Of 100 answers, 0 turned with the background alone before, and as many do now."


def test_a_name_from_right_to_left_keeps_to_itself():
    named = GroupChange("قطة", "beach", change(0.5, 0.6, -1, 1))
    gap = Gap(0.3, 0.1, Estimate(0.2, 0.1, 0.3, 200), named, named, (named,), known=True)
    assert "(\u2068قطة\u2069, beach)" in gap_sentence(gap)


def test_only_a_gap_that_has_closed_is_said_to_have():
    assert "67\N{NO-BREAK SPACE}% of that gap is closed (95% interval: 33 to 100)" in gap_sentence(
        gap_of(0.3, 0.1, 0.1, 0.3)
    )
    open_still = gap_sentence(gap_of(0.3, 0.2, -0.02, 0.2))
    assert open_still.endswith("That gap has not closed, as far as 200 photos can tell.")
    assert "is closed" not in open_still
    first, last = (GroupChange("cow", "beach", change(own, own, -1, 1)) for own in (0.0, 0.72))
    less = Estimate(0.05, -0.05, 0.15, 200)
    risen = gap_sentence(Gap(0.2, 0.15, less, first, last, (first, last), known=True))
    assert risen.endswith("15 now. That gap has not closed, for the average has risen as well.")
    assert gap_sentence(gap_of(0.2, 0.4, -0.3, -0.1)).endswith("That gap has grown.")
    assert gap_sentence(gap_of(0.03, 0.02, -0.1, 0.1)).endswith("There was hardly a gap to close.")
