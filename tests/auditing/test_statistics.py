"""Intervals against their textbook formulas, and by how often they hold what they should."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from causalogit.auditing.donors import choose_donors, log_odds
from causalogit.auditing.statistics import (
    agreement_by_chance,
    half_by_sources,
    mean,
    mean_of_shares,
    over_chance,
    paired_difference,
    share,
)


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 10), (10, 10), (480, 1000)])
def test_a_share_has_the_interval_of_wilson(hits, n):
    found = share(torch.arange(n) < hits)
    low, high = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert found.value == hits / n
    assert found.n == n
    assert found.low == pytest.approx(low, abs=1e-6)
    assert found.high == pytest.approx(high, abs=1e-6)


def test_a_paired_difference_counts_photos_that_changed():
    before = torch.tensor([True] * 6 + [False] * 4)
    after = torch.tensor([True] * 2 + [False] * 4 + [True] + [False] * 3)
    found = paired_difference(before, after)
    lost, won, n = 4.5, 1.5, 12  # half a photo more in each of the four cells
    half = 1.959964 * math.sqrt(lost + won - (lost - won) ** 2 / n) / n
    assert found.value == pytest.approx(0.3)
    assert found.low == pytest.approx((lost - won) / n - half)
    assert found.high == pytest.approx((lost - won) / n + half)


def test_no_photo_that_changed_is_not_certainty():
    same = torch.ones(12, dtype=torch.bool)
    found = paired_difference(same, same)
    assert found.value == 0
    assert found.low < -0.1 < 0.1 < found.high


@pytest.mark.parametrize(("lost", "won"), [(0.3, 0.1), (0.02, 0.01), (0.6, 0.0)])
def test_intervals_hold_the_truth_in_about_95_of_100_sets(lost, won):
    draws = torch.Generator().manual_seed(0)
    held = 0
    for _ in range(400):
        kind = torch.rand(60, generator=draws)
        before, after = kind < lost, (kind >= lost) & (kind < lost + won)
        found = paired_difference(before, after)
        held += found.low <= lost - won <= found.high
    assert held / 400 > 0.92


def test_a_mean_leaves_out_what_is_not_known():
    known = [0.35, 0.4, 0.45]
    found = mean(torch.tensor([known[0], known[1], float("nan"), known[2]]))
    low, high = stats.t.interval(0.95, 2, 0.4, stats.sem(known))
    assert found.n == 3
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    wide = mean(torch.tensor([0.1, 0.9]))
    assert (wide.low, wide.high) == (0, 1)  # a share


def test_nothing_of_no_photos():
    nothing = torch.zeros(0, dtype=torch.bool)
    assert share(nothing) is None
    assert paired_difference(nothing, nothing) is None
    assert mean(torch.tensor([0.5])) is None


def test_chance_is_how_often_two_lists_agree_once_one_is_shuffled():
    draws = torch.Generator().manual_seed(0)
    labels, answers = torch.randint(3, (500,)), torch.randint(2, (500,))
    slow = [
        (labels == answers[torch.randperm(500, generator=draws)]).double().mean().item()
        for _ in range(300)
    ]
    assert agreement_by_chance(labels, answers) == pytest.approx(sum(slow) / 300, abs=0.01)


def test_the_mean_of_one_share_is_that_share_and_of_more_it_is_surer():
    one = share(torch.tensor([True] * 8 + [False] * 2))
    assert vars(mean_of_shares([one])) == pytest.approx(vars(one))
    four = mean_of_shares([one] * 4)
    assert four.value - four.low == pytest.approx((one.value - one.low) / 2)
    assert four.n == 40


def test_a_large_class_does_not_make_right_answers_look_like_chance():
    labels = torch.tensor([0] * 190 + [1] * 10)
    every = torch.ones(200, dtype=torch.bool)
    answers = labels.clone()
    answers[:13], answers[190:193] = 1, 0  # 93 % of the one, 70 % of the other
    both = over_chance(labels, answers, every)
    assert both.value == pytest.approx((177 / 190 + 0.7) / 2 - 0.5)
    assert both.low > 0
    large = over_chance(labels, answers, labels == 0)
    assert large.value == pytest.approx(177 / 190 - (177 / 190 + 0.3) / 2)
    assert large.low > 0


@pytest.mark.parametrize("chosen", [[0], [1], [0, 1]])
def test_a_constant_answer_knows_nothing(chosen):
    labels = torch.tensor([0] * 190 + [1] * 10)
    some = torch.isin(labels, torch.tensor(chosen))
    told = over_chance(labels, torch.zeros_like(labels), some)
    assert told.value == 0
    assert told.low <= 0
    assert over_chance(labels, labels, torch.zeros(200, dtype=torch.bool)) is None


def test_photos_of_few_sources_tell_no_more_than_these():
    values = torch.tensor([1.0, 0.0, 1.0, 0.0]).repeat_interleave(25)
    labels = torch.zeros(100).long()
    alone = half_by_sources(values, labels, torch.arange(100)[:, None])
    assert alone == pytest.approx(1.984 * 0.5 / 100**0.5, rel=0.01)
    shared = torch.arange(4).repeat_interleave(25)[:, None]
    four = half_by_sources(values, labels, shared)
    assert four == pytest.approx(3.182 * (1 / 3) ** 0.5 * 0.5, rel=0.01)  # as of four photos
    assert half_by_sources(values, labels, shared.expand(-1, 3)) == pytest.approx(four)
    assert half_by_sources(values, labels, shared * 0) == 0  # one tells nothing of others


def one_audit(seed):
    """The reliance of a classifier of two classes that goes by both, and what it is made from."""
    draws = torch.Generator().manual_seed(seed)
    labels = torch.arange(2).repeat_interleave(100)
    grounds, objects = torch.randn(2, 200, 2, generator=draws)
    grounds[torch.arange(200), labels] += 0.5
    objects[torch.arange(200), labels] += 2
    every = torch.ones(200, dtype=torch.bool)
    donors = choose_donors(log_odds(grounds), labels, every, seed)
    right = [
        (objects + grounds[places]).argmax(1) == labels for places in (donors.own, donors.other)
    ]
    return labels, donors, right


def test_an_interval_of_two_classes_holds_what_other_photos_would_give():
    naive, wider = [], []
    for seed in range(300):
        labels, donors, (own, other) = one_audit(seed)
        sources = torch.stack([donors.own, donors.other], 1)
        half = half_by_sources(own.long() - other.long(), labels, sources)
        naive.append(paired_difference(own, other))
        wider.append(paired_difference(own, other, half))
    truth = sum(one.value for one in naive) / 300
    covered = [sum(e.low <= truth <= e.high for e in some) / 300 for some in (naive, wider)]
    assert covered[0] < 0.86
    assert covered[1] > 0.9
