"""Accuracy of every group, as a table of classes and attributes."""

from __future__ import annotations

from statistics import mean

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from causalogit.report.figures.draw import Panel, short
from causalogit.report.lineup import Entry
from causalogit.report.palette import LIGHT
from causalogit.report.scene import MOST_CLASSES, Scene, evenly


def group_panel(entry: Entry, scene: Scene) -> Panel:
    """Classes down, attributes across; the usual attribute of a class has a frame.

    At most ten of each, evenly spread.
    """
    across = shown_attributes(scene)
    table = group_table(entry, scene)

    def draw(axes: Axes) -> None:
        for row, values in enumerate(table):
            for column, value in enumerate(values):
                framed = scene.usual[scene.shown[row]] == across[column]
                _cell(axes, row, column, value, framed=framed)
        rows, columns = len(table), len(across)
        top = -0.62 if scene.paints else -0.02
        axes.set(xlim=(-0.02, columns + 0.02), ylim=(rows + 0.02, top), aspect="equal")
        names = [short(scene.classes[label]) for label in scene.shown]
        axes.set_yticks([row + 0.5 for row in range(rows)], names)
        _heads(axes, across, scene)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    return Panel(entry.title, _alt(entry, scene, table), draw, (280, 258))


def shown_attributes(scene: Scene) -> list[int]:
    """The attributes that are shown: all, or ten, evenly spread over their order."""
    return evenly(len(scene.attributes), MOST_CLASSES)


def _heads(axes: Axes, across: list[int], scene: Scene) -> None:
    """The columns' attributes: their colours, else their names."""
    if scene.paints:
        axes.set_xticks([])
        for column, attribute in enumerate(across):
            box = (column + 0.06, -0.5), 0.88, 0.34
            axes.add_patch(Rectangle(*box, facecolor=scene.paints[attribute], lw=0))
        return
    names = [short(scene.attributes[attribute], 12) for attribute in across]
    few = len(across) <= 3
    axes.xaxis.tick_top()  # as ticks, and not as texts, they are minded by the panel's title
    axes.set_xticks(
        [column + 0.5 for column in range(len(across))],
        names,
        rotation=0 if few else 40,
        ha="center" if few else "left",
        fontsize=10,
    )


def _alt(entry: Entry, scene: Scene, table: list[list[float | None]]) -> str:
    rows = [
        f"{scene.classes[label]}: "
        + ", ".join("none" if value is None else f"{100 * value:.0f}" for value in row)
        for label, row in zip(scene.shown, table, strict=True)
    ]
    names = ", ".join(scene.attributes[attribute] for attribute in shown_attributes(scene))
    return (
        f"Test accuracy of {entry.title} in per cent {scene.on} {names}. " + "; ".join(rows) + "."
    )


def has_groups(entry: Entry) -> bool:
    """Whether the runs have kept an accuracy for every group: not where there are too many."""
    return any(name.startswith("accuracy/group/") for name in entry.runs[0].row["selected"])


def group_table(entry: Entry, scene: Scene) -> list[list[float | None]]:
    """Mean accuracy over seeds by class and attribute; None for a group without test images."""
    width = len(scene.attributes)

    def accuracy(group: int) -> float | None:
        name = f"accuracy/group/{group}"
        values = [run.row["selected"][name] for run in entry.runs if name in run.row["selected"]]
        return mean(values) if values else None

    return [
        [accuracy(label * width + attribute) for attribute in shown_attributes(scene)]
        for label in scene.shown
    ]


def _cell(axes: Axes, row: int, column: int, value: float | None, *, framed: bool) -> None:
    box = (column + 0.03, row + 0.03), 0.94, 0.94
    axes.add_patch(Rectangle(*box, facecolor=LIGHT["rule"], alpha=0.45, lw=0))
    if value is None:
        return
    axes.add_patch(Rectangle(*box, facecolor=LIGHT["cell"], alpha=value, lw=0))
    if framed:
        axes.add_patch(Rectangle(*box, fill=False, edgecolor=LIGHT["ink"], lw=1.6))
    axes.text(
        column + 0.5,
        row + 0.52,
        f"{100 * value:.0f}",
        ha="center",
        va="center",
    )
