"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from causalogit.data.masking import MasksReport
from causalogit.data.sources import OTHERS, SOURCES
from causalogit.masks.probe import Probe
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
        title=f"{escape(rows[0]['dataset'])}: test accuracy, %, {seeds} seed{'s' * (seeds > 1)}",
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


def masks_table(report: MasksReport) -> Table:
    """How good masks look, and how much of the labels their outlines and boxes tell."""
    count = len(report.rows)
    table = Table(title=f"{count:,} masks", box=box.SIMPLE_HEAD, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    origins = report.origins.most_common()
    table.add_row("made from", ", ".join(f"{name}: {number:,}" for name, number in origins))
    for measure, what in (
        ("area", "of the photo is object"),
        ("confidence", "how near to 0 or 1, where there may be object"),
        ("border", "of the photo's border is object"),
    ):
        table.add_row(f"median {measure}", f"{report.median(measure):.2f}  {what}")
    flags = ", ".join(f"{name}: {number:,}" for name, number in report.flags.most_common())
    table.add_row("suspicious", f"{report.suspicious:,}" + (f"  ({flags})" if flags else ""))
    for name, found in (("outline", report.outline), ("box", report.box)):
        table.add_row(f"label from {name}", _leakage(found))
    table.caption = _leakage_words(report)
    table.caption_justify = "left"
    return table


def _leakage(found: Probe | None) -> str:
    if found is None:
        return "too few photos to tell"
    return (
        f"{100 * found.accuracy:.0f} % right ({100 * found.low:.0f} to {100 * found.high:.0f}), "
        f"{100 * found.chance:.0f} % by chance"
    )


def _leakage_words(report: MasksReport) -> str:
    if report.outline is None or report.box is None:
        return ""
    how = (
        "A logistic regression on outlines of 16 x 16 pixels, and on boxes: balanced accuracy over "
        "five folds, 95 % interval. "
    )
    if report.box.leaks:
        return how + (
            "Where the object is, and how large, tells something of its label: that stays in "
            "counterfactual images, whatever fills the object."
        )
    if report.outline.leaks:
        return how + (
            "The outline tells something of the label, which stays in counterfactual images whose "
            "object is filled; of the box this probe could not tell: --data.masks box hides more."
        )
    return how + "It could not read the label from either; a network may read more."


def inpainter_table(report: Mapping[str, Any]) -> Table:
    """How far every fill is from held-out backgrounds: a row a fill."""
    table = Table(
        title=f"{escape(report['trained_on'])}: held-out backgrounds",
        caption="Over pixels of holes in the shapes of objects, in [0, 1]. The smooth guess is "
        "what the inpainter begins with.",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("fill")
    table.add_column("L1", justify="right")
    table.add_column("PSNR, dB", justify="right")
    for name, found in report["held_out"].items():
        table.add_row(name, f"{found['l1']:.4f}", f"{found['psnr']:.1f}")
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
