"""Accuracy of every group, as a table of classes and backgrounds."""

from __future__ import annotations

from statistics import mean

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from causalogit.report.figures.draw import Panel
from causalogit.report.lineup import Entry
from causalogit.report.palette import LIGHT
from causalogit.report.scene import Scene


def group_panel(entry: Entry, scene: Scene) -> Panel:
    """Classes down, backgrounds across; where the two agree the cell has a frame."""
    table = group_table(entry, scene)

    def draw(axes: Axes) -> None:
        for row, values in enumerate(table):
            for column, value in enumerate(values):
                _cell(axes, row, column, value, framed=row == column)
        rows, columns = len(table), len(table[0])
        axes.set(xlim=(-0.02, columns + 0.02), ylim=(rows + 0.02, -0.62), aspect="equal")
        axes.set_xticks([])
        axes.set_yticks([row + 0.5 for row in range(rows)], scene.classes)
        for column in range(columns):
            axes.add_patch(
                Rectangle((column + 0.06, -0.5), 0.88, 0.34, facecolor=scene.paints[column], lw=0)
            )
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    return Panel(entry.title, _alt(entry, scene, table), draw, (280, 258))


def _alt(entry: Entry, scene: Scene, table: list[list[float | None]]) -> str:
    rows = [
        f"{name}: " + ", ".join("none" if value is None else f"{100 * value:.0f}" for value in row)
        for name, row in zip(scene.classes, table, strict=True)
    ]
    return (
        f"Test accuracy of {entry.title} in per cent on {', '.join(scene.backgrounds)}. "
        + "; ".join(rows)
        + "."
    )


def group_table(entry: Entry, scene: Scene) -> list[list[float | None]]:
    """Mean accuracy over seeds by class and background; None for a group without test images."""
    width = len(scene.backgrounds)

    def accuracy(group: int) -> float | None:
        name = f"accuracy/group/{group}"
        values = [run.row["selected"][name] for run in entry.runs if name in run.row["selected"]]
        return mean(values) if values else None

    return [
        [accuracy(label * width + background) for background in range(width)]
        for label in range(len(scene.classes))
    ]


def _cell(axes: Axes, row: int, column: int, value: float | None, *, framed: bool) -> None:
    box = (column + 0.03, row + 0.03), 0.94, 0.94
    axes.add_patch(Rectangle(*box, facecolor=LIGHT["rule"], alpha=0.45, lw=0))
    if value is None:
        return
    axes.add_patch(Rectangle(*box, facecolor=LIGHT["heat"], alpha=value, lw=0))
    if framed:
        axes.add_patch(Rectangle(*box, fill=False, edgecolor=LIGHT["ink"], lw=1.6))
    axes.text(
        column + 0.5,
        row + 0.52,
        f"{100 * value:.0f}",
        color=LIGHT["on-heat"] if value > 0.65 else LIGHT["ink"],
        ha="center",
        va="center",
    )
