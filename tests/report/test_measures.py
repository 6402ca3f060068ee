from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from causalogit.data.biases import palette
from causalogit.report.lineup import line_up
from causalogit.report.looks import choose_examples
from causalogit.report.measures import Spread, measure
from causalogit.report.scene import describe_scene
from causalogit.train import LoadedRun


class ByColour(nn.Module):
    """Names the class that goes with the colour of the top left pixel."""

    def forward(self, images: Tensor) -> Tensor:
        return -torch.cdist(images[:, :, 0, 0], palette(5))


@pytest.fixture
def by_colour(erm: LoadedRun) -> LoadedRun:
    return replace(erm, model=ByColour())


def test_a_model_that_sees_only_the_colour(by_colour: LoadedRun) -> None:
    found = measure(line_up([by_colour]).best, describe_scene(by_colour))
    assert found.misled == Spread(0.0, None)
    assert found.agreeing == Spread(1.0, None)
    assert found.follows == Spread(1.0, None)
    assert found.inside is not None
    assert found.inside.mean < 0.01
    assert found.area is not None
    assert 0 < found.area < 1


def test_shares_against_a_loop(erm: LoadedRun) -> None:
    found = measure(line_up([erm]).best, describe_scene(erm))
    test = erm.data.test.everything()
    with torch.no_grad():
        answers = erm.model(test.images).argmax(1).tolist()
    right = follows = count = 0
    for answer, label, group in zip(
        answers, test.labels.tolist(), test.groups.tolist(), strict=True
    ):
        if group % 5 != label:
            count += 1
            right += answer == label
            follows += answer == group % 5
    assert found.misled is not None
    assert found.follows is not None
    assert found.misled.mean == pytest.approx(right / count)
    assert found.follows.mean == pytest.approx(follows / count)


def test_spread_over_seeds() -> None:
    assert Spread.of([2.0]) == Spread(2.0, None)
    assert Spread.of([1.0, 3.0]) == Spread(2.0, pytest.approx(2**0.5))


def test_seeds_are_averaged(make_run: Callable[..., LoadedRun], by_colour: LoadedRun) -> None:
    other = replace(make_run("erm", 1), model=ByColour())
    found = measure(line_up([by_colour, other]).best, describe_scene(by_colour))
    assert found.follows == Spread(1.0, 0.0)


def test_examples_follow_the_rule() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2]).repeat(2)
    backgrounds = torch.tensor([0, 1, 2]).repeat(6)
    assert choose_examples(labels, backgrounds, 3) == [1, 5, 6, 2, 3, 7]
    assert choose_examples(labels, backgrounds, 3, count=4) == [1, 5, 6, 2]
    assert choose_examples(labels, labels, 3) == []
