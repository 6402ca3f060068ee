from __future__ import annotations

import pytest

from causalogit.report.headline import headline
from causalogit.report.lineup import Lineup, line_up
from causalogit.report.measures import Measures, Spread
from causalogit.report.scene import describe_scene
from causalogit.train import LoadedRun


def measures(inside: float | None, misled: float = 0.5, follows: float = 0.25) -> Measures:
    return Measures(
        None if inside is None else Spread(inside, None),
        None if inside is None else 0.2,
        Spread(misled, None),
        Spread(1.0, None),
        Spread(follows, None),
    )


@pytest.fixture
def two(erm: LoadedRun, recipe: LoadedRun) -> Lineup:
    return line_up([erm, recipe])


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (measures(0.15), measures(0.6), "ERM looks at the background; {} looks at the digit."),
        (measures(0.15), measures(0.18), "ERM and {} both look at the background."),
        (measures(0.6), measures(0.15), "ERM looks at the digit; {} looks at the background."),
        (measures(0.15), measures(0.3), "{} looks at the digit more than ERM does."),
        (
            measures(None, misled=0.3),
            measures(None, misled=0.6),
            "{} is misled by the background less often than ERM.",
        ),
        (measures(None), measures(None), "{} relies on the background about as much as ERM."),
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
    assert "ERM is right on 33% of the test images" in said.lead
    assert "names the background's class on 57%;" in said.lead
    assert f"{two.best.title} is right on 97%" in said.lead


def test_one_method_alone(erm: LoadedRun) -> None:
    lineup, scene = line_up([erm]), describe_scene(erm)
    assert headline(lineup, {"erm": measures(0.1)}, scene).title == "ERM looks at the background."
    assert headline(lineup, {"erm": measures(0.3)}, scene).title == "What ERM looks at."
    silent = Measures(None, None, None, None, None)
    assert headline(lineup, {"erm": silent}, scene).lead == ""
