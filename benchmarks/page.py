"""From rows of `results.json` to the tables of a page in docs/results."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.stats import t as student

from causalogit.cli.tables import by_method, spread
from causalogit.files import write_text
from causalogit.report.figures.draw import Panel, write_png
from causalogit.report.palette import LIGHT, line_style, tone_name

Rows = Sequence[Mapping[str, Any]]


def results_markdown(rows: Rows, metrics: Mapping[str, str]) -> str:
    """Per cent on the test set, mean ± standard deviation over seeds.

    Args:
        rows: of `results.json`.
        metrics: with their titles, one a column for the last epoch and one for the selected epoch;
            a dash where a run has no such metric (`accuracy/few` without a small class).
    """
    epochs = ("last", "selected")
    head = ["budget", "method"]
    head += [f"{epoch}: {title}" for epoch in epochs for title in metrics.values()]
    head += ["seconds"]
    lines = [head, ["---"] * len(head)]
    for runs in by_method(rows).values():
        cells = [
            _cell([run[epoch].get(name) for run in runs]) for epoch in epochs for name in metrics
        ]
        seconds = f"{mean(run['seconds'] for run in runs):.0f}"
        lines.append(
            [runs[0]["budget"], f"{runs[0]['title']} (`{runs[0]['method']}`)", *cells, seconds]
        )
    return markdown(lines)


def differences_markdown(rows: Rows, ours: str, metrics: Mapping[str, str]) -> str:
    """`ours` minus every other line in the last epoch, paired by seed, in points.

    Mean and 95 % t-interval of each metric.
    """
    runs = by_method(rows)
    head = ["budget", f"`{ours}` minus", *metrics.values()]
    lines = [head, ["---"] * len(head)]
    for name, others in runs.items():
        if name == ours:
            continue
        cells = []
        for metric in metrics:
            by_seed = {run["seed"]: run["last"].get(metric) for run in others}
            paired = [
                100 * (run["last"][metric] - by_seed[run["seed"]])
                for run in runs[ours]
                if by_seed.get(run["seed"]) is not None and metric in run["last"]
            ]
            cells.append(interval(paired) if paired else "\N{EN DASH}")
        lines.append([others[0]["budget"], f"`{name}`", *cells])
    return markdown(lines)


def separation_markdown(rows: Rows) -> str:
    """How well delta or a weight, and the loss, tell wrong labels from right ones: AUROC."""
    lines = [["budget", "method", "AUROC of delta or weight", "AUROC of the loss"], ["---"] * 4]
    for runs in by_method(rows).values():
        cells = [
            _cell([run["noise"].get(name) for run in runs]) for name in ("auroc", "auroc_loss")
        ]
        lines.append([runs[0]["budget"], runs[0]["title"], *cells])
    return markdown(lines)


def write_page(folder: Path, rows: Rows, tables: Mapping[str, str]) -> None:
    """Write `results.json`, a line a run, and the tables into the folder's README.md."""
    runs = ",\n".join(json.dumps(_slim(row)) for row in rows)
    write_text(folder / "results.json", f'{{"runs": [\n{runs}\n]}}\n')
    fill_tables(folder / "README.md", tables)


MOST_GROUPS = 25
"""Single groups that `results.json` keeps; of more, the means and the worst say enough."""


DECIMALS = 6
"""That figures keep in `results.json`: a test image is 1e-4 of the largest test set."""


def _slim(values: Mapping[str, Any], most_groups: int = MOST_GROUPS) -> dict[str, Any]:
    """The row, rounded; without single groups where these are many (a hundred in GLT).

    Nor are there any of the epochs that other metrics than the run's own select.
    """
    groups = [name for name in values if name.startswith("accuracy/group/")]
    left_out = set(groups) if len(groups) > most_groups else set()
    return {
        name: _rounded(value, 0 if name == "selections" else most_groups)
        for name, value in values.items()
        if name not in left_out and name != "data"
    }


def _rounded(value: Any, most_groups: int) -> Any:
    if isinstance(value, Mapping):
        return _slim(value, most_groups)
    return round(value, DECIMALS) if isinstance(value, float) else value


def fill_tables(page: Path, tables: Mapping[str, str]) -> None:
    """Put each table between its markers, `<!-- name -->` and `<!-- /name -->`.

    Raises:
        ValueError: the page has no such markers.
    """
    text = page.read_text()
    for name, table in tables.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not between.search(text):
            raise ValueError(f"{page} has no place for the table: <!-- {name} --> <!-- /{name} -->")
        text = between.sub(rf"\g<1>{table}\g<2>", text)
    write_text(page, text)


def draw_curves(path: Path, rows: Rows, titles: Mapping[str, str]) -> None:
    """A PNG with a panel a metric: its mean over seeds, epoch by epoch, a line for each line.

    Args:
        path: of the file.
        rows: of one setting, with `curves`.
        titles: of the metrics; lines without a metric are left out of its panel.
    """
    tones = {title: tone for tone, title in enumerate(by_method(rows), start=1)}

    def panel(name: str, title: str) -> Panel:
        def draw(axes: Axes) -> None:
            for line, runs in by_method(rows).items():
                series = [run["curves"][name] for run in runs if run["curves"][name]]
                if series:
                    means = [mean(values) for values in zip(*series, strict=True)]
                    tone = tones[line]
                    colour, style = LIGHT[tone_name(tone)], line_style(tone)
                    axes.plot(range(1, len(means) + 1), means, color=colour, ls=style, lw=1.6)
            axes.set_xlabel("epoch")
            axes.set_ylim(bottom=0)

        return Panel(title, title, draw, (520, 340))

    key = [
        Line2D([], [], color=LIGHT[tone_name(tone)], ls=line_style(tone), lw=2, label=title)
        for title, tone in tones.items()
    ]
    panels = [panel(name, title) for name, title in titles.items()]
    write_png(path, panels, columns=2, key=key)


def _cell(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return spread(known) if known else "\N{EN DASH}"


def interval(values: Sequence[float]) -> str:
    """Mean and 95 % t-interval, signed; the mean alone of a single value."""
    middle = mean(values)
    if len(values) < 2:
        return f"{middle:+.1f}"
    half = student.ppf(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return f"{middle:+.1f} [{middle - half:+.1f}, {middle + half:+.1f}]"


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table of these cells."""
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
