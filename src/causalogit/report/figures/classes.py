"""Every class: how many training images it has, and how often each method is right on it."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from causalogit.report.figures.draw import Panel, short
from causalogit.report.lineup import Entry
from causalogit.report.measures import Measures
from causalogit.report.palette import LIGHT, marker, tone_name
from causalogit.report.scene import Scene, evenly

MOST_CLASSES = 20
MOST_METHODS = 6


def shown_classes(counts: Tensor, tail: bool) -> list[int]:
    """The classes of the panels, at most twenty, evenly spread.

    Args:
        counts: training images of each class, `(C,)`.
        tail: whether they are to stand in the order of their size, largest first.
    """
    order = (-counts).argsort(stable=True).tolist() if tail else list(range(len(counts)))
    return [order[place] for place in evenly(len(order), MOST_CLASSES)]


def class_panels(
    entries: Sequence[Entry],
    measures: dict[str, Measures],
    scene: Scene,
    counts: Tensor,
    classes: Sequence[int],
) -> list[Panel]:
    """Sizes of `classes` in training, and the accuracy of every entry on them."""
    names = [short(scene.classes[label]) for label in classes]
    size = (350, 62 + 24 * len(classes))

    def draw_sizes(axes: Axes) -> None:
        sizes = [int(counts[label]) for label in classes]
        axes.barh(range(len(classes)), sizes, height=0.62, color=LIGHT["majority"])
        for place, value in enumerate(sizes):
            axes.annotate(
                f"{value:,}", (value, place), (4, 0), textcoords="offset points", va="center",
                fontsize=10, color=LIGHT["muted"],
            )  # fmt: skip
        axes.set_xlim(0, 1.18 * max(sizes))
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        _rows(axes, names)

    def draw_accuracies(axes: Axes) -> None:
        for place, entry in enumerate(entries):
            values = measures[entry.key].classes
            shift = 0.5 * ((place + 0.5) / len(entries) - 0.5)
            points = [
                (value, row + shift)
                for row, label in enumerate(classes)
                if (value := values[label]) is not None
            ]
            axes.scatter(
                [x for x, _ in points], [y for _, y in points], s=34, lw=0, clip_on=False, zorder=3,
                color=LIGHT[tone_name(entry.tone)], marker=marker(entry.tone),
            )  # fmt: skip
        axes.set_xlim(-0.02, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        _rows(axes, names)

    sizes = ", ".join(f"{scene.classes[label]} {int(counts[label])}" for label in classes)
    return [
        Panel("Training images", f"Training images of each class: {sizes}.", draw_sizes, size),
        Panel("Test accuracy", _alt(entries, measures, scene, classes), draw_accuracies, size),
    ]


def class_key(entries: Sequence[Entry]) -> list[Line2D]:
    """Which marker is whose."""
    return [
        Line2D([], [], color=LIGHT[tone_name(e.tone)], marker=marker(e.tone), ls="", label=e.title)
        for e in entries
    ]


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _alt(
    entries: Sequence[Entry],
    measures: dict[str, Measures],
    scene: Scene,
    classes: Sequence[int],
) -> str:
    def of(entry: Entry) -> str:
        values = measures[entry.key].classes
        return ", ".join(
            f"{scene.classes[label]} {'none' if (v := values[label]) is None else f'{100 * v:.0f}'}"
            for label in classes
        )

    said = "; ".join(f"{entry.title}: {of(entry)}" for entry in entries)
    return f"Test accuracy of each class in per cent. {said}."
