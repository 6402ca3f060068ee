"""The results table: every run's row of `results.json`, seeds gathered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from causalogit.methods import BUDGETS
from causalogit.report.facts import Facts
from causalogit.report.lineup import Entry
from causalogit.report.measures import Spread
from causalogit.report.scene import Scene

_TITLES = {
    "accuracy/test_mean": "Average",
    "accuracy/class_mean": "Classes alike",
    "accuracy/worst_group": "Worst group",
    "accuracy/worst_class": "Worst class",
    "accuracy/train_weighted": "Weighted as in training",
    "accuracy/many": "Many",
    "accuracy/medium": "Medium",
    "accuracy/few": "Few",
    "precision/test_mean": "Precision",
}
_SIZES = ("accuracy/many", "accuracy/medium", "accuracy/few")


@dataclass(frozen=True)
class Columns:
    """What the results table shows: titles by metric, and what they mean by title."""

    selected: dict[str, str]
    last: dict[str, str]
    meanings: dict[str, tuple[str, str]]


def choose_columns(entries: Sequence[Entry], scene: Scene, facts: Facts) -> Columns:
    """The metrics that tell something about these data."""
    run = entries[0].runs[0]
    selected = ["accuracy/test_mean"]
    if not facts.even_classes:
        selected.append("accuracy/class_mean")
    worst = "accuracy/worst_group" if scene.has_attributes else "accuracy/worst_class"
    selected.append(worst)
    if "accuracy/train_weighted" in run.row["selected"] and scene.has_attributes:
        selected.append("accuracy/train_weighted")
    sizes = [name for name in _SIZES if name in run.row["selected"]]
    selected += sizes if len(sizes) > 1 else []
    if run.config.data.attribute.ratio > 1:
        selected.append("precision/test_mean")
    words = _meanings(scene, facts)
    meanings = {_TITLES[name]: (name, words[name]) for name in selected}
    meanings |= {
        "Selected epoch": (
            "selected",
            "the epoch that did best on validation images; the test images have no say in it",
        ),
        "Last epoch": ("last", "the weights at the end of training, whatever they do"),
    }
    return Columns(
        {name: _TITLES[name] for name in selected},
        {name: _TITLES[name] for name in ("accuracy/test_mean", worst)},
        meanings,
    )


def _meanings(scene: Scene, facts: Facts) -> dict[str, str]:
    average = "share of right answers over all test images"
    if facts.even_test and scene.has_attributes:
        average += f"; the test set has every pair of class and {scene.attribute} equally often"
    elif facts.even_classes:
        average += "; the test set has every class equally often"
    return {
        "accuracy/test_mean": average,
        "accuracy/class_mean": "mean of the classes' accuracies, however many images each has",
        "accuracy/worst_group": f"a group is one class {scene.on} one {scene.attribute}; this is "
        "the group that does worst, which an average hides",
        "accuracy/worst_class": "the class that does worst, which an average hides",
        "accuracy/train_weighted": "groups weighted by how often they come in training: what a "
        "test set that is as biased as the training set would show",
        "accuracy/many": "mean over classes with more than 100 training images",
        "accuracy/medium": "mean over classes with 20 to 100 training images",
        "accuracy/few": "mean over classes with fewer than 20 training images",
        "precision/test_mean": "of the images that are named a class, the share that belongs to "
        "it: the mean over classes",
    }


@dataclass(frozen=True)
class Row:
    """One method."""

    entry: Entry
    seeds: str
    epoch: str
    selected: list[Spread | None]
    last: list[Spread | None]
    seconds: Spread


def results(entries: Sequence[Entry], columns: Columns) -> list[Row]:
    """A row a method, in the order given."""
    return [
        Row(
            entry,
            ", ".join(str(run.row["seed"]) for run in entry.runs),
            ", ".join(str(run.row["selected"]["epoch"]) for run in entry.runs),
            [_spread(entry, "selected", name) for name in columns.selected],
            [_spread(entry, "last", name) for name in columns.last],
            Spread.of([run.row["seconds"] for run in entry.runs]),
        )
        for entry in entries
    ]


def _spread(entry: Entry, which: str, name: str) -> Spread | None:
    values = [run.row[which][name] for run in entry.runs if name in run.row[which]]
    return Spread.of(values) if values else None


def budgets(entries: Sequence[Entry]) -> dict[str, str]:
    """The budgets that occur, and those that they build on, in words."""
    seen = {entry.budget for entry in entries}
    highest = max(seen & set("ABC"), default="")
    return {
        # "A and masks" would read as an article
        key: re.sub(r"^([A-Z]) and ", r"all of \1, and ", text)
        for key, text in BUDGETS.items()
        if key in seen or key <= highest
    }
