from __future__ import annotations

import pytest

from causalogit.report.headline import headline
from causalogit.report.lineup import Lineup, line_up
from causalogit.report.measures import Measures, Spread
from causalogit.report.scene import Scene, describe_scene
from causalogit.train import LoadedRun


def measures(
    inside: float | None,
    misled: float = 0.5,
    follows: float = 0.25,
    *,
    agreeing: float = 1.0,
    deviation: float | None = None,
    count: int = 200,
) -> Measures:
    return Measures(
        None if inside is None else Spread(inside, None),
        None if inside is None else 0.2,
        Spread(misled, deviation),
        Spread(agreeing, deviation),
        Spread(follows, deviation),
        classes=(0.5,) * 5,
        misleading=(count,) if deviation is None else (count, count),
        leading=(count,) if deviation is None else (count, count),
    )


@pytest.fixture
def two(erm: LoadedRun, recipe: LoadedRun) -> Lineup:
    return line_up([erm, recipe])


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (
            measures(0.15, follows=0.7),
            measures(0.6, follows=0.1),
            "ERM looks at the background; {} looks at the digit.",
        ),
        (measures(0.15), measures(0.18), "ERM and {} both look at the background."),
        (
            measures(0.6, follows=0.1),
            measures(0.15, follows=0.7),
            "ERM looks at the digit; {} looks at the background.",
        ),
        (
            measures(0.15, follows=0.7),
            measures(0.3, follows=0.4),
            "{} looks at the digit more than ERM does.",
        ),
        (
            measures(None, follows=0.6),
            measures(None, follows=0.3),
            "{} is misled by the background less often than ERM.",
        ),
        (
            measures(None, follows=0.3),
            measures(None, follows=0.6),
            "{} is misled by the background more often than ERM.",
        ),
        (measures(None), measures(None), "{} relies on the background about as much as ERM."),
        # fewer right answers, but fewer that name the background's class, too
        (
            measures(None, misled=0.5, follows=0.5),
            measures(None, misled=0.4, follows=0.05),
            "{} is misled by the background less often than ERM.",
        ),
        # attention says what the answers do not
        (
            measures(0.15, 0.0, 1.0),
            measures(0.6, 0.0, 1.0),
            "{} relies on the background about as much as ERM.",
        ),
        (
            measures(0.15, follows=0.9),
            measures(0.15, follows=0.0),
            "{} is misled by the background less often than ERM.",
        ),
        # so few images, or seeds so far apart, that it may be chance
        (
            measures(None, follows=0.3, count=40),
            measures(None, follows=0.4, count=40),
            "{} relies on the background about as much as ERM.",
        ),
        (
            measures(None, follows=0.3, deviation=0.1),
            measures(None, follows=0.45, deviation=0.1),
            "{} relies on the background about as much as ERM.",
        ),
        (
            measures(None, follows=1.0, count=1),
            measures(None, follows=0.0),
            "What ERM and {} answer.",
        ),
        # neither knows anything
        (measures(None, follows=0.2, agreeing=0.2), measures(None), "What ERM and {} answer."),
    ],
)
def test_the_title_says_what_the_numbers_carry(
    theirs: Measures, ours: Measures, expected: str, two: Lineup, erm: LoadedRun
) -> None:
    best = two.best
    given = {two.entries[0].key: theirs, best.key: ours}
    said = headline(two, given, describe_scene(erm))
    assert said.title == expected.format(best.title)


def test_the_lead_gives_the_numbers(two: Lineup, erm: LoadedRun) -> None:
    given = {"erm": measures(0.1, 0.33, 0.57), two.best.key: measures(0.6, 0.97, 0.01)}
    said = headline(two, given, describe_scene(erm))
    assert "ERM is right on 33% of 200 test images" in said.lead
    assert "A single seed cannot tell" in said.lead
    assert "names the background's class on 57%;" in said.lead
    assert f"{two.best.title} is right on 97%" in said.lead


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (measures(0.1, follows=1.0, count=1), "Fewer than 20 such images"),
        (measures(0.1, agreeing=0.21), "ERM is right on 21%, no better than chance"),
    ],
)
def test_what_figures_cannot_carry_is_said(
    given: Measures, expected: str, two: Lineup, erm: LoadedRun
) -> None:
    for lineup in (two, line_up([erm])):
        said = headline(lineup, {own.key: given for own in lineup.entries}, describe_scene(erm))
        assert said.title.startswith("What ")
        assert expected in said.lead


def test_one_method_alone(erm: LoadedRun) -> None:
    lineup, scene = line_up([erm]), describe_scene(erm)
    assert headline(lineup, {"erm": measures(0.1)}, scene).title == "ERM looks at the background."
    assert headline(lineup, {"erm": measures(0.3)}, scene).title == "What ERM looks at."
    # an even look is no look at the background
    assert headline(lineup, {"erm": measures(0.2)}, scene).title == "What ERM looks at."
    silent = Measures(None, None, None, None, None)
    assert headline(lineup, {"erm": silent}, scene).lead == ""


def balanced(mean: float, deviation: float | None, worst: float = 0.1) -> Measures:
    spread = Spread(mean, deviation)
    return Measures(None, None, None, None, None, spread, Spread(worst, deviation))


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (
            balanced(0.5, 0.01),
            balanced(0.55, 0.02),
            "{} is right more often than ERM: 55.0 ± 2.0% against 50.0 ± 1.0%, every class alike.",
        ),
        (
            balanced(0.5, 0.03),
            balanced(0.55, 0.03),
            "{} is right about as often as ERM: 55.0 ± 3.0% against 50.0 ± 3.0%, "
            "every class alike.",
        ),
        (
            balanced(0.55, 0.01),
            balanced(0.5, 0.01),
            "{} is right less often than ERM: 50.0 ± 1.0% against 55.0 ± 1.0%, every class alike.",
        ),
        (
            balanced(0.5, None),
            balanced(0.9, None),
            "{} and ERM: 90.0% against 50.0%, every class alike.",
        ),
    ],
)
def test_without_attributes_it_is_about_right_answers(
    theirs: Measures, ours: Measures, expected: str, noisy: list[LoadedRun]
) -> None:
    lineup = line_up(noisy)
    given = {lineup.entries[0].key: theirs, lineup.best.key: ours}
    said = headline(lineup, given, describe_scene(noisy[0]))
    assert said.title.replace("\xa0", " ") == expected.format(lineup.best.title)
    assert "In the class that does worst, ERM is right on 10.0" in said.lead
    alone = ours.balanced is not None and ours.balanced.deviation is None
    assert ("single seed" in said.lead) == alone


def test_one_method_alone_without_attributes(noisy: list[LoadedRun]) -> None:
    lineup, scene = line_up(noisy[:1]), describe_scene(noisy[0])
    said = headline(lineup, {"erm": balanced(0.5, None)}, scene)
    assert said.title == "ERM is right on 50.0% of the test images, every class alike."


def test_to_look_at_the_object_is_no_merit_where_its_colour_misleads(two: Lineup) -> None:
    scene = Scene("digit", ("a", "b"), ("red", "blue"), (), "colour", (0, 1))
    given = {two.entries[0].key: measures(0.1), two.best.key: measures(0.9)}
    said = headline(two, given, scene)
    assert said.title == f"{two.best.title} relies on the colour about as much as ERM."
    assert said.lead.startswith("Where the colour misleads, ERM is right on 50%")


def test_an_attribute_that_gives_no_class_away_does_not_mislead(two: Lineup) -> None:
    scene = Scene("face", ("a", "b"), ("old", "young"), (), "attribute", (1, 1))
    given = {two.entries[0].key: balanced(0.5, 0.01), two.best.key: balanced(0.6, 0.01)}
    assert "is right more often than ERM" in headline(two, given, scene).title
