"""The page of benchmarks.speed: a table a model on the CPU, one a precision and batch on a GPU."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from benchmarks.page import Rows, fill_tables, markdown
from benchmarks.study import ROOT
from causalogit.files import write_json
from causalogit.report.figures.draw import Panel, write_png

PAGE = ROOT / "docs" / "results" / "speed"
PLAIN_STEP = "plain step"
"""The scheme that all others are held against."""
_FOREIGN = (PLAIN_STEP, "unroll, written plainly", "torchopt", "higher")


def table(rows: Rows) -> str:
    """A line a scheme."""
    head = ["scheme", "meta batch", "time, plain steps", "peak memory", "hypergradient error"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        spread = f"{row['time_ratio_low']:.2f} to {row['time_ratio_high']:.2f}"
        lines.append(
            [
                row["scheme"],
                "\N{EN DASH}" if row["scheme"] == PLAIN_STEP else f"{row['meta_fraction']:g}",
                f"**{row['time_ratio']:.2f}** ({spread})",
                f"{row['memory_ratio']:.2f}",
                f"{row['hypergradient_error']:.1e}",
            ]
        )
    return markdown(lines)


def gpu_table(rows: Rows) -> str:
    """A line a scheme, a column a model: time, and peak memory in brackets, in plain steps."""
    names = list(dict.fromkeys(row["model"] for row in rows))
    lines = [["scheme", "meta batch", *names], ["---"] * (len(names) + 2)]
    by_scheme: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        plain = row["scheme"] == PLAIN_STEP
        cell = f"{row['time_ratio']:.2f} ({row['memory_ratio']:.2f})"
        if plain:
            cell = f"{1000 * row['seconds']:.1f} ms"
        part = "\N{EN DASH}" if plain else f"{row['meta_fraction']:g}"
        by_scheme.setdefault((row["scheme"], part), {})[row["model"]] = cell
    for (scheme, part), cells in by_scheme.items():
        lines.append([scheme, part, *(cells.get(name, "\N{EN DASH}") for name in names)])
    return markdown(lines)


def draw(path: Path, rows: Rows) -> None:
    """Bars of the time of every scheme, a panel a model; grey is what is not ours."""

    def panel(name: str) -> Panel:
        own = [row for row in rows if row["model"] == name][::-1]

        def fill(axes: Axes) -> None:
            names = [row["scheme"] + (" 1/4" if row["meta_fraction"] < 1 else "") for row in own]
            values = [row["time_ratio"] for row in own]
            colours = ["#9aa0a6" if row["scheme"] in _FOREIGN else "#1f63a8" for row in own]
            bars = axes.barh(names, values, color=colours, height=0.6)
            axes.margins(x=0.1)
            axes.bar_label(bars, [f"{value:.1f}" for value in values], padding=3)
            axes.grid(axis="y", visible=False)
            axes.set_xlabel("plain steps")

        return Panel(name, f"Time of a step, {name}", fill, (520, 360))

    write_png(path, [panel(name) for name in dict.fromkeys(r["model"] for r in rows)], 2, [])


def _setting(row: Mapping[str, Any]) -> tuple[bool, str, int, str]:
    """What a row is a part of: on a GPU or not, precision, batch, model; a table has its key."""
    return row["device"] != "cpu", row["precision"], row["batch"], row["model"]


def write_page(rows: Rows, order: Sequence[str], batch: int) -> None:
    """The page with these rows, and those that it has of other models, precisions and batches.

    Args:
        rows: of `speed.json`.
        order: of the models.
        batch: the training images in a step of the CPU's tables; a GPU has a table a batch.
    """
    path = PAGE / "speed.json"
    kept = json.loads(path.read_text())["rows"] if path.is_file() else []
    new = {_setting(row) for row in rows}
    rows = [*rows, *(row for row in kept if _setting(row) not in new)]
    rows = sorted(rows, key=lambda r: (*_setting(r)[:3], order.index(r["model"])))
    write_json(path, {"rows": rows})
    cpu = [row for row in rows if row["device"] == "cpu" and row["batch"] == batch]
    tables = {
        f"speed {name}": table([row for row in cpu if row["model"] == name])
        for name in dict.fromkeys(row["model"] for row in cpu)
    }
    settings = dict.fromkeys(_setting(row)[1:3] for row in rows if row["device"] != "cpu")
    for precision, size in settings:
        own = [r for r in rows if _setting(r)[:3] == (True, precision, size)]
        tables[f"speed cuda {precision} {size}"] = gpu_table(own)
    fill_tables(PAGE / "README.md", tables)
    draw(PAGE / "speed.png", cpu)
