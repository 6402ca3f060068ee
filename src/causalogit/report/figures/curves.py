"""Curves over the epochs."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from causalogit.report.figures.draw import Panel
from causalogit.report.lineup import Entry
from causalogit.report.palette import LIGHT, line_style, marker, tone_name

_CURVES = (
    (
        "Training loss",
        ("train/loss/classifier", "train/loss/train"),
        "cross-entropy on the training batches, in nats",
    ),
    (
        "Validation accuracy, mean",
        ("validation/accuracy/mean",),
        "every validation image counts alike",
    ),
    (
        "Validation accuracy, worst {group}",
        ("validation/accuracy/worst_group",),
        "only the {group} that does worst",
    ),
    (
        "Strength of the expert, alpha",
        ("train/delta/alpha",),
        "mean over training images; CLP with an expert only",
    ),
)


def curve_panels(entries: Sequence[Entry], group: str = "group") -> list[Panel]:
    """One panel a quantity that any run has recorded; `group` is the word for a group."""
    return [
        _panel(title.format(group=group), names, note.format(group=group), entries)
        for title, names, note in _CURVES
        if any(_series(row, names) is not None for e in entries for run in e.runs
               for row in run.history)
    ]  # fmt: skip


def curve_key(entries: Sequence[Entry]) -> list[Line2D]:
    """Which line is whose."""
    return [
        Line2D(
            [], [], color=LIGHT[tone_name(e.tone)], ls=line_style(e.tone), lw=2,
            marker=marker(e.tone), markersize=5.5, label=e.title,
        )
        for e in entries
    ]  # fmt: skip


def _series(row: dict[str, float], names: Sequence[str]) -> float | None:
    return next((row[name] for name in names if name in row), None)


def _panel(title: str, names: tuple[str, ...], note: str, entries: Sequence[Entry]) -> Panel:
    share = "accuracy" in names[0]

    def draw(axes: Axes) -> None:
        for entry in entries:
            for run in entry.runs:
                points = [
                    (row["epoch"], value)
                    for row in run.history
                    if (value := _series(row, names)) is not None
                ]
                if not points:
                    continue
                colour = LIGHT[tone_name(entry.tone)]
                epochs, values = zip(*points, strict=True)
                alone = len(points) == 1
                axes.plot(
                    epochs,
                    values,
                    color=colour,
                    linestyle=line_style(entry.tone),
                    lw=2 if len(entry.runs) == 1 else 1.3,
                    marker=marker(entry.tone) if alone else "",
                    markersize=5.5,
                )
                chosen = run.row["selected"]["epoch"]
                if share and chosen in epochs:
                    at = values[epochs.index(chosen)]
                    own = marker(entry.tone)
                    axes.plot([chosen], [at], own, color=colour, markersize=5.5, clip_on=False)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        axes.set_xlabel("epoch")
        if share:
            axes.set_ylim(-0.03, 1.05)
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        else:
            # a line that never changes would lie on the upper edge
            axes.set_ylim(0, 1.1 * axes.get_ylim()[1])

    ends = "; ".join(_end(entry, names, share) for entry in entries)
    return Panel(title, f"{title} over the epochs. At the end: {ends}.", draw, (350, 240), note)


def _end(entry: Entry, names: Sequence[str], share: bool) -> str:
    history = entry.runs[0].history
    last = _series(history[-1], names) if history else None
    if last is None:
        return f"{entry.title} none"
    return f"{entry.title} {last:.0%}" if share else f"{entry.title} {last:.2f}"
