"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from causalogit.data.sources import OTHERS, SOURCES
from causalogit.methods import BUDGETS, METHODS
from causalogit.presets import preset_names, preset_summary

_CAPTION = "Budgets: " + "; ".join(f"{key} = {text}" for key, text in BUDGETS.items())


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation in per cent; the mean alone of one value."""
    percent = [100 * value for value in values]
    if len(percent) < 2:
        return f"{percent[0]:.1f}"
    return f"{mean(percent):.1f} ± {stdev(percent):.1f}"


def by_method(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Rows of `results.json` by method (and variant, in a study), by budgets O, A, B, C."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: "OABC".index(row["budget"])):
        name = " ".join(filter(None, (row["method"], row.get("variant"))))
        groups.setdefault(name, []).append(row)
    return groups


def results_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Accuracy in per cent on the test set, of the last epoch and of the selected one.

    Several seeds give mean ± standard deviation. The letter is the budget, s the seconds of
    training.
    """
    seeds = len({row["seed"] for row in rows})
    table = Table(
        title=f"{rows[0]['dataset']}: test accuracy, %, {seeds} seed{'s' * (seeds > 1)}",
        caption=_CAPTION,
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),  # five seeds fit in 80 columns
    )
    table.add_column("")
    table.add_column("method", no_wrap=True)
    for which in ("last", "selected"):
        table.add_column(f"average\n{which}", justify="right", no_wrap=True)
        table.add_column(f"worst group\n{which}", justify="right", no_wrap=True)
    table.add_column("\ns", justify="right")
    for runs in by_method(rows).values():
        cells = [
            spread([run[which][f"accuracy/{metric}"] for run in runs]).replace(" ± ", "±")
            for which in ("last", "selected")
            for metric in ("test_mean", "worst_group")
        ]
        seconds = mean(run["seconds"] for run in runs)
        table.add_row(runs[0]["budget"], runs[0]["method"], *cells, f"{seconds:.0f}")
    return table


def metrics_table(metrics: Mapping[str, float]) -> Table:
    """One metric a row."""
    table = Table("metric", "value")
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4f}")
    return table


def presets_table() -> Table:
    """Every preset with what it is."""
    table = Table("name", "what it is", box=box.SIMPLE_HEAD)
    for name in preset_names():
        table.add_row(name, preset_summary(name))
    return table


def methods_table() -> Table:
    """Every method with its budget and what it does."""
    table = Table("name", "budget", "what it does", caption=_CAPTION)
    for name, cls in METHODS.items():
        summary = (cls.__doc__ or cls.title).strip().split("\n")[0]
        table.add_row(name, cls.budget, summary)
    return table


def sources_table() -> Table:
    """Every source, what it is, and where it is read from."""
    table = Table(
        title="Sources of images (data.source)",
        caption="Where data.path is optional, the set is downloaded without it.",
        box=box.SIMPLE_HEAD,
    )
    for column in ("source", "what it is", "data.path"):
        table.add_column(column, overflow="fold")
    for name, source in (SOURCES | OTHERS).items():
        table.add_row(escape(name), escape(source.summary), escape(source.path or "-"))
    return table
