from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from causalogit.data import InMemory, Split
from causalogit.data.biases import palette
from causalogit.report import measures
from causalogit.report.lineup import line_up
from causalogit.report.looks import choose_examples
from causalogit.report.measures import Spread, measure, shown_measures
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
    found = measure(line_up([by_colour]).best)
    assert found.misled == Spread(0.0, None)
    assert found.agreeing == Spread(1.0, None)
    assert found.follows == Spread(1.0, None)
    assert found.inside is not None
    assert found.inside.mean < 0.01
    assert found.area is not None
    assert 0 < found.area < 1


def test_shares_against_a_loop(erm: LoadedRun) -> None:
    found = measure(line_up([erm]).best)
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
    assert found.misleading == found.leading == (count,)


def test_spread_over_seeds() -> None:
    assert Spread.of([2.0]) == Spread(2.0, None)
    assert Spread.of([1.0, 3.0]) == Spread(2.0, pytest.approx(2**0.5))


def test_seeds_are_averaged(make_run: Callable[..., LoadedRun], by_colour: LoadedRun) -> None:
    other = replace(make_run("erm", 1), model=ByColour())
    found = measure(line_up([by_colour, other]).best)
    assert found.follows == Spread(1.0, 0.0)


def test_examples_follow_the_rule() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2]).repeat(2)
    attributes = torch.tensor([0, 1, 2]).repeat(6)
    usual = (0, 1, 2)
    assert choose_examples(labels, attributes, usual, 3) == [1, 5, 6, 2, 3, 7, 10, 14]
    assert choose_examples(labels, attributes, usual, 3, count=4) == [1, 5, 6, 2]
    assert choose_examples(labels, labels, usual, 3) == []
    # class 0 goes with attribute 2: the next one is 0
    assert choose_examples(labels, attributes, (2, 0, 1), 3, count=3) == [0, 4, 8]


def test_examples_without_attributes_are_the_first_of_every_class() -> None:
    labels = torch.tensor([2, 0, 1, 0, 1, 2, 1])
    nothing = torch.zeros(7).long()
    assert choose_examples(labels, nothing, (0, 0, 0), 1) == [1, 2, 0, 3, 4, 5, 6]
    many = torch.arange(100).flip(0)
    chosen = choose_examples(many, torch.zeros(100).long(), (0,) * 100, 1)
    assert many[chosen].tolist() == [0, 14, 28, 42, 57, 71, 85, 99]


def test_classes_against_a_loop(noisy: list[LoadedRun]) -> None:
    run = noisy[0]
    found = measure(line_up([run]).best)
    test = run.data.test.everything()
    with torch.no_grad():
        answers = run.model(test.images).argmax(1).tolist()
    labels = test.labels.tolist()
    by_class = []
    for label in range(5):
        own = [a == y for a, y in zip(answers, labels, strict=True) if y == label]
        by_class.append(sum(own) / len(own))
    assert found.classes == pytest.approx(by_class)
    assert found.balanced == Spread(pytest.approx(sum(by_class) / 5), None)
    assert found.worst == Spread(min(by_class), None)
    assert found.misled is found.follows is None
    assert shown_measures(describe_scene(run), {"erm": found}).keys() == {
        "inside", "balanced", "worst",
    }  # fmt: skip


class ByPlace(nn.Module):
    """Names class 1 of images whose top left pixel is dark."""

    def forward(self, images: Tensor) -> Tensor:
        dark = 1 - images[:, 0, 0, 0]
        return torch.stack([1 - dark, dark], 1)


def test_an_attribute_that_goes_with_no_class_leads_nowhere(
    birds: LoadedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = replace(describe_scene(birds), attributes=("water", "land", "sky"))
    monkeypatch.setattr(measures, "describe_scene", lambda run: scene)
    labels, places = torch.arange(600) % 2, torch.arange(600) % 3
    test = Split(InMemory(torch.zeros(600, 3, 4, 4)), labels, labels * 3 + places)
    run = replace(birds, data=replace(birds.data, test=test), model=ByPlace())
    found = measure(line_up([run]).best)
    assert (found.misleading, found.leading) == ((400,), (200,))


def test_real_attributes_follow_what_training_showed(birds: LoadedRun) -> None:
    places = torch.arange(400) % 2  # place 1 is bright, and class 0 goes with it
    images = places[:, None, None, None].float().expand(-1, 3, 4, 4)
    labels = torch.arange(400) // 2 % 2
    test = Split(InMemory(images), labels, labels * 2 + places)
    run = replace(birds, data=replace(birds.data, test=test), model=ByPlace())
    found = measure(line_up([run]).best)
    assert found.agreeing == Spread(1.0, None)
    assert found.misled == Spread(0.0, None)
    assert found.follows == Spread(1.0, None)
    assert found.balanced == Spread(0.5, None)
