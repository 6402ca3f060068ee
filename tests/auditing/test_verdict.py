"""Words and sentences for made-up figures: no more than the interval carries."""

from __future__ import annotations

import pytest

from causalogit.auditing import ClassResult, Estimate, Figures
from causalogit.auditing.verdict import (
    cautions,
    class_verdict,
    isolated,
    lead,
    overall_verdict,
    word_for,
)


def figures(reliance=0.0, low=None, high=None, own=0.9, chance=0.5, **changed) -> Figures:
    low, high = (
        (reliance - 0.02 if low is None else low),
        (reliance + 0.02 if high is None else high),
    )

    def about(value):
        return Estimate(value, value - 0.03, value + 0.03, 200)

    usual = {
        "as_is": about(0.9), "own": about(own), "other": about(own - reliance),
        "reliance": Estimate(reliance, low, high, 200), "gone": about(0.5), "alone": about(0.5),
        "own_by_chance": chance, "gone_by_chance": 0.5, "alone_by_chance": 0.5,
        "as_is_over_chance": about(0.9 - chance), "own_over_chance": about(own - chance),
        "other_over_chance": about(own - reliance - chance),
        "unchanged": None, "unchanged_by_chance": None, "attention": None,
        "attention_by_chance": None, "area": 0.3,
    }  # fmt: skip
    return Figures(**(usual | changed))


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.1, 0.2, "relies"),
        (0.099, 0.2, "leans"),
        (0.001, 0.1, "leans"),
        (0.0, 0.2, "unclear"),
        (-0.05, 0.1, "unclear"),
        (-0.05, 0.099, "does_not"),
        (0.01, 0.05, "does_not"),
        (-0.099, 0.05, "does_not"),
        (-0.1, 0.05, "unclear"),
        (-0.2, -0.01, "leans"),
        (-0.2, -0.1, "relies"),
    ],
)
def test_the_word_is_what_the_whole_interval_carries(low, high, word):
    assert word_for(figures((low + high) / 2, low, high), threshold=0.1) == word


def test_no_word_where_nothing_was_measured_or_nothing_could_turn():
    assert word_for(figures(reliance=0, own=0.51, chance=0.5), 0.1) == "unclear"
    assert word_for(figures(reliance=0.05, own=0.57, chance=0.5), 0.1) == "unclear"
    none = ("own", "other", "reliance", "own_by_chance", "own_over_chance", "other_over_chance")
    nothing = Figures(**(vars(figures()) | dict.fromkeys(none)))
    assert word_for(nothing, 0.1) == "unmeasured"
    assert class_verdict("cat", nothing, 0.1).sentence.startswith("Not measured: too few photos")


def test_a_reliance_that_is_sure_is_told_though_the_answers_are_no_better_than_chance():
    assert word_for(figures(0.3, own=0.51, chance=0.5), 0.1) == "relies"
    assert word_for(figures(0.15, 0.05, 0.25, own=0.51, chance=0.5), 0.1) == "leans"


def test_a_sentence_has_the_figures_and_the_ends_of_the_interval():
    found = class_verdict("cat", figures(0.6, 0.51, 0.68), 0.1)
    assert found.word == "relies"
    assert found.sentence.replace("\xa0", " ") == (
        "Relies on the background: on a background that speaks for “cat” 90 % are named right, on "
        "one that speaks against it 30 %; 51 to 68 in 100 answers turn with it."
    )


def test_no_effect_is_told_as_a_bound():
    found = class_verdict("cat", figures(0.01, -0.02, 0.04), 0.1)
    assert found.sentence.endswith("; at most 4 in 100 answers turn with it, on balance.")
    assert "at most 4 in 100" in lead(figures(0.01, -0.02, 0.04), "animal")
    assert "at most 6 in 100" in lead(figures(-0.02, -0.06, 0.02), "animal")


def test_answers_that_turn_away_from_what_the_background_speaks_for_turn_with_it_too():
    against = figures(-0.28, -0.34, -0.21, own=0.66)
    found = class_verdict("cat", against, 0.1)
    assert found.word == "relies"
    assert found.sentence.replace("\xa0", " ") == (
        "Relies on the background: on a background that speaks for “cat” 66 % are named right, on "
        "one that speaks against it 94 %; 21 to 34 in 100 answers turn with it, away from what it "
        "speaks for."
    )
    assert "So 21 to 34 in 100 answers turn with the background alone, away" in lead(against, "cat")


def test_no_all_clear_where_answers_are_chance_once_the_background_hinders():
    found = class_verdict("cat", figures(0.05, own=0.57, chance=0.5), 0.1)
    assert found.word == "unclear"
    assert found.sentence.replace("\xa0", " ") == (
        "Cannot be told: on a background that speaks for “cat” 57 % are named right, on one that "
        "speaks against it 52 %, and chance alone would reach 50 %."
    )


def test_a_class_that_is_seldom_right_is_told_so():
    found = class_verdict("cat", figures(0.2, 0.15, 0.25, own=0.3, chance=0.1), 0.1)
    assert found.sentence.endswith("it is seldom right to begin with.")


def test_the_headline_names_classes_that_differ():
    bad, good = figures(0.6), figures(0.0)
    classes = [
        ClassResult(name, 100, some, class_verdict(name, some, 0.1), ())
        for name, some in (("cat", bad), ("dog", good), ("hen", good))
    ]
    found = overall_verdict(figures(0.05), classes, 0.1)
    assert found.word == "does_not"
    assert found.sentence == (
        "This classifier does not rely on the background. In 1 of 3 classes it relies on it: cat."
    )


def test_cautions():
    assert cautions(figures(), 0.0, photos=10, apart=10) == ()
    told = cautions(
        figures(area=0.7, own=0.6, as_is=Estimate(0.95, 0.94, 0.96, 200)), 1.0, photos=10, apart=8
    )
    text = " ".join(told)
    for words in ("2 of 10 photos show", "The masks are boxes", "take 70", "cut out and pasted"):
        assert words in text
    chance = Estimate(0.0, -0.05, 0.05, 200)
    [wrong] = cautions(figures(as_is_over_chance=chance), 0.0, photos=10, apart=10)
    assert "model.outputs" in wrong


def test_a_name_from_right_to_left_does_not_move_the_numbers_around_it():
    assert isolated("قطة") == "\u2068قطة\u2069"
    assert isolated("café, 猫") == "café, 猫"
