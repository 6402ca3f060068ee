"""What goes with what is read off the training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from causalogit.report.facts import state_facts
from causalogit.report.scene import describe_scene, evenly
from causalogit.train import LoadedRun
from tests.report.conftest import made_up_samples


def test_painted_digits(erm: LoadedRun) -> None:
    scene = describe_scene(erm)
    assert scene.usual == (0, 1, 2, 3, 4)
    assert scene.named(0, 1) == "0 or 1 on lime"
    assert scene.paint_of(0) == "#ff0000"
    assert (scene.attribute, scene.an, scene.on) == ("background", "a background", "on")
    facts = state_facts(erm)
    assert facts.share == pytest.approx(0.95, abs=0.01)
    assert facts.clue
    assert facts.even_test
    assert not facts.tail


def test_an_attribute_goes_with_the_class_that_training_shows_it_with(birds: LoadedRun) -> None:
    scene = describe_scene(birds)
    assert scene.usual == (1, 0)
    assert scene.distinct
    assert scene.named(0, 1) == "kind 0, place 1"
    assert (scene.an, scene.paints) == ("an attribute", ())
    train = birds.data.train
    agreeing = [int(g) in (1, 2) for g in train.groups]
    assert scene.agrees(train).tolist() == agreeing
    facts = state_facts(birds)
    assert facts.share == pytest.approx(sum(agreeing) / len(agreeing))
    assert facts.clue
    assert not facts.even_attributes


def test_one_attribute_common_everywhere_is_no_clue(made_up: Callable[..., LoadedRun]) -> None:
    run = made_up(made_up_samples([[20, 80], [10, 90]]))
    scene = describe_scene(run)
    assert scene.usual == (1, 1)
    assert scene.has_attributes
    assert not scene.distinct
    assert not state_facts(run).clue


def test_balanced_attributes_are_no_clue(made_up: Callable[..., LoadedRun]) -> None:
    run = made_up(made_up_samples([[50, 50], [50, 50]]))
    assert describe_scene(run).usual == (0, 1)
    facts = state_facts(run)
    assert facts.share == pytest.approx(0.5, abs=0.05)
    assert not facts.clue


def test_no_attributes(noisy: list[LoadedRun]) -> None:
    scene, facts = describe_scene(noisy[0]), state_facts(noisy[0])
    assert not scene.has_attributes
    assert scene.named(1, 0) == "2 or 3"
    assert facts.share is None
    assert facts.tail
    assert facts.wrong == noisy[0].row["noise"]["wrong_share"]
    assert facts.largest[1] == noisy[0].data.class_counts.max()
    assert facts.smallest[1] == noisy[0].data.class_counts.min()
    noisy_meta = replace(noisy[0].data.meta, true_labels=torch.zeros(100, dtype=torch.long))
    assert facts.meta_clean
    data = replace(noisy[0].data, meta=noisy_meta)
    assert not state_facts(replace(noisy[0], data=data)).meta_clean


def test_evenly() -> None:
    assert evenly(3, 10) == [0, 1, 2]
    assert evenly(100, 4) == [0, 33, 66, 99]
