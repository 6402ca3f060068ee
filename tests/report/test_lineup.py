from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from causalogit.config import ClpConfig, ControlsConfig, NetworkConfig
from causalogit.methods.clp import Clp, ClpFactual
from causalogit.report.lineup import line_up
from causalogit.report.words import (
    augmentations_in_words,
    characteristic_in_words,
    method_in_words,
)
from causalogit.train import LoadedRun


def test_erm_is_the_reference_and_clp_of_budget_c_the_best(
    erm: LoadedRun, clp: LoadedRun, recipe: LoadedRun
) -> None:
    lineup = line_up([clp, recipe, erm])
    assert lineup.reference is lineup.entries[2]
    assert lineup.best is lineup.entries[1]
    assert [entry.tone for entry in lineup.entries] == [3, 2, 1]


def test_without_budget_c_the_last_run_is_the_best(erm: LoadedRun, clp: LoadedRun) -> None:
    assert line_up([erm, clp]).best.runs == (clp,)
    assert line_up([clp, erm]).best.runs == (erm,)
    assert line_up([clp]).reference is None


def test_seeds_are_gathered_and_configs_kept_apart(
    erm: LoadedRun, other_seed: LoadedRun, clp: LoadedRun
) -> None:
    wide = ClpConfig(network=NetworkConfig(hidden=7))
    wider = replace(clp, config=replace(clp.config, clp=wide))
    lineup = line_up([erm, clp, other_seed, wider])
    assert [len(entry.runs) for entry in lineup.entries] == [2, 1, 1]
    assert [entry.title for entry in lineup.entries][1:] == [
        clp.row["title"],
        clp.row["title"] + " (2)",
    ]
    assert len({entry.key for entry in lineup.entries}) == 3


def test_the_pair_sees_the_same_test_images(
    erm: LoadedRun, other_seed: LoadedRun, recipe: LoadedRun
) -> None:
    pair = line_up([other_seed, erm, recipe]).pair()
    assert [run for _, run in pair] == [erm, recipe]
    assert [run for _, run in line_up([other_seed, recipe]).pair()] == [recipe]
    assert [run for _, run in line_up([erm]).pair()] == [erm]


def test_what_a_method_does_is_asked_of_the_method(
    erm: LoadedRun, clp: LoadedRun, recipe: LoadedRun
) -> None:
    plain, published, ours = line_up([erm, clp, recipe]).entries
    assert (plain.form, published.form, ours.form) == (None, Clp.form, ClpFactual.form)
    assert (plain.augments, ours.augments) == (False, True)
    none = replace(
        recipe, config=replace(recipe.config, controls=ControlsConfig(train_fill="none"))
    )
    assert not line_up([none]).best.augments


@pytest.mark.parametrize(
    ("data", "fill", "expected"),
    [
        ({}, "random", "every training image on a fresh background each time: all that these still "
         "tell of the old one is what the masks leave of it."),
        ({"masks": "box"}, "random", "is what the masks (box) leave of it."),
        ({"masked_share": 0.3}, "random", "the 30% of training images with a mask on a fresh"),
        ({"masked_share": 0.3}, "random", "leave of it. The others stay as they are."),
        ({}, "retexture", "every training image looking otherwise each time (retexture)."),
    ],
)  # fmt: skip
def test_what_is_shown_instead_is_said_as_it_is(
    data: dict[str, Any], fill: Any, expected: str, erm: LoadedRun, recipe: LoadedRun
) -> None:
    config = recipe.config
    config = replace(
        config, data=replace(config.data, **data), controls=ControlsConfig(train_fill=fill)
    )
    lineup = line_up([erm, replace(recipe, config=config)])
    (said,) = augmentations_in_words(lineup.entries)
    assert said.startswith(f"{lineup.best.title} shows ")
    assert expected in said
    assert "fresh" not in said or fill == "random"


def test_methods_that_show_the_same_share_a_sentence(recipe: LoadedRun) -> None:
    entry = line_up([recipe]).best
    (said,) = augmentations_in_words([replace(entry, title=own) for own in "ABC"])
    assert said.startswith("A, B and C show every training image")


@pytest.mark.parametrize("name", ["erm", "group_dro"])
def test_known_methods_have_words(name: str) -> None:
    assert method_in_words(name)
    assert "`" not in method_in_words(name)


def test_unknown_names_have_none() -> None:
    assert method_in_words("nobody") == characteristic_in_words("nothing") == ""
