"""The results table: every run's row of `results.json`, seeds gathered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from causalogit.methods import BUDGETS
from causalogit.report.lineup import Entry
from causalogit.report.measures import Spread

COLUMNS = {
    "accuracy/test_mean": "Average",
    "accuracy/worst_group": "Worst group",
    "accuracy/train_weighted": "Weighted as in training",
}
LAST_COLUMNS = {name: COLUMNS[name] for name in ("accuracy/test_mean", "accuracy/worst_group")}
AVERAGES = {
    "Average": (
        "accuracy/test_mean",
        "share of right answers over all test images; the test set has every pair of class and "
        "background equally often",
    ),
    "Worst group": (
        "accuracy/worst_group",
        "a group is one class on one background; this is the group that does worst, which an "
        "average hides",
    ),
    "Weighted as in training": (
        "accuracy/train_weighted",
        "groups weighted by how often they come in training: what a test set that is as biased as "
        "the training set would show",
    ),
    "Selected epoch": (
        "selected",
        "the epoch that did best on validation images; the test images have no say in it",
    ),
    "Last epoch": ("last", "the weights at the end of training, whatever they do"),
}


@dataclass(frozen=True)
class Row:
    """One method."""

    entry: Entry
    seeds: str
    epoch: str
    selected: list[Spread]
    last: list[Spread]
    seconds: Spread


def results(entries: Sequence[Entry]) -> list[Row]:
    """A row a method, in the order given."""
    return [
        Row(
            entry,
            ", ".join(str(run.row["seed"]) for run in entry.runs),
            ", ".join(str(run.row["selected"]["epoch"]) for run in entry.runs),
            [Spread.of([run.row["selected"][name] for run in entry.runs]) for name in COLUMNS],
            [Spread.of([run.row["last"][name] for run in entry.runs]) for name in LAST_COLUMNS],
            Spread.of([run.row["seconds"] for run in entry.runs]),
        )
        for entry in entries
    ]


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
