"""A study: lines of a table times seeds, in one or several settings, and the page about it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.page import (
    differences_markdown,
    draw_curves,
    results_markdown,
    separation_markdown,
    write_page,
)
from causalogit.cli.progress import run_bars
from causalogit.config import RunConfig
from causalogit.evaluate.metrics import classification_metrics, predict
from causalogit.train import Job, run_all
from causalogit.train.folder import RunFolder
from causalogit.train.load import load_model, read_history

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Variant:
    """A method with other options than the setting's.

    Attributes:
        method: its name.
        label: what the table calls it, beside the method's title.
        change: from the setting's config to its own.
    """

    method: str
    label: str
    change: Callable[[RunConfig], RunConfig]

    @property
    def name(self) -> str:
        """Of its line."""
        return name_of(self.method, self.label)


def name_of(method: str, label: str) -> str:
    """Of the line of a method with this label, if any: what its folder is called."""
    return f"{method} {label}".strip().replace(" ", "-")


@dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        name: of the folder in docs/results, and in runs.
        settings: configs by the names of their tables.
        methods: names of methods, all in the setting's own config.
        variants: methods in other configs.
        metrics: columns, by the names of test metrics.
        against: lines that are held against all others, paired by seed.
        seeds: what the command runs where it names none.
        judged_on: the figures that rows hold. A study that chooses something looks at validation
            images, with seeds that no other study reports.
        curves: metrics of every epoch, with their titles, that rows keep and the page draws.
        lines_of: the lines, by name, of a setting that has not all of them.
    """

    name: str
    settings: Mapping[str, RunConfig]
    methods: Sequence[str]
    variants: Sequence[Variant]
    metrics: Mapping[str, str]
    against: Sequence[str]
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    judged_on: Literal["test", "validation"] = "test"
    curves: Mapping[str, str] = field(default_factory=dict)
    lines_of: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def lines(self, names: Sequence[str] | None = None, setting: str = "") -> list[Variant]:
        """Of every table, or of a setting's, in order; or those of these names among them.

        Raises:
            SystemExit: there is no line of a name.
        """
        plain = [Variant(name, "", lambda config: config) for name in self.methods]
        lines = {line.name: line for line in (*plain, *self.variants)}
        strangers = sorted(set(names or ()) - set(lines))
        if strangers:
            raise SystemExit(f"{strangers} are no lines: choose among {', '.join(lines)}")
        own = self.lines_of.get(setting, lines)
        return [
            line for name, line in lines.items() if name in own and (names is None or name in names)
        ]


def main(study: Study, description: str | None) -> list[dict[str, Any]]:
    """The command of a study: run what is missing, write its page's tables, return their rows."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--path", help="where the data set lies, in place of its download")
    parser.add_argument("--masks", help="folder of masks, in place of the data set's own")
    parser.add_argument("--weights", help="file of the weights to start from")
    parser.add_argument("--settings", nargs="+", default=list(study.settings))
    parser.add_argument("--lines", nargs="+", help="some lines; the page keeps its others")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(study.seeds))
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--jobs", type=int, default=0)
    options = parser.parse_args()
    out = options.out / study.name
    lines: list[dict[str, str]] = []
    wanted: list[Job] = []
    for setting in options.settings:
        config = study.settings[setting]
        if options.path:
            config = replace(config, data=replace(config.data, path=options.path))
        if options.masks:
            config = replace(config, data=replace(config.data, mask_path=options.masks))
        if options.weights:
            config = replace(config, weights=options.weights)
        chosen = study.lines(options.lines, setting)
        for job, line in jobs_of(chosen, setting, config, options.seeds, out / setting):
            wanted.append(job)
            lines.append(line)
    with run_bars() as bars:
        rows = run_all(wanted, out / "results.json", jobs=options.jobs, on_progress=bars)
    page = ROOT / "docs" / "results" / study.name
    rows = [
        named(measured(study, row, RunFolder(job.folder)), line)
        for row, job, line in zip(rows, wanted, lines, strict=True)
    ]
    rows = with_others(study, page / "results.json", rows)
    write_page(page, rows, tables_of(study, rows))
    for setting in options.settings if study.curves else ():
        own = [row for row in rows if row["setting"] == setting]
        draw_curves(page / f"curves-{setting}.png", own, study.curves)
    return rows


def measured(study: Study, row: Mapping[str, Any], folder: RunFolder) -> dict[str, Any]:
    """The row with the figures that the study looks at: of its weights, or of every epoch."""
    row = dict(row)
    if study.judged_on == "validation":
        selector = row["selected_by"].removeprefix("validation ")
        weights = {"last": folder.last, "selected": folder.selected(selector)}
        row |= {
            name: {"epoch": row[name]["epoch"]} | on_validation(checkpoint)
            for name, checkpoint in weights.items()
        }
        del row["selections"]
    if study.curves:
        history = read_history(folder.path)
        row["curves"] = {
            name: [epoch[name] for epoch in history if name in epoch] for name in study.curves
        }
    return row


def on_validation(checkpoint: Path) -> dict[str, float]:
    """Accuracies on validation images, of the weights that a run tests.

    Those of an epoch are from before the method's last touch, a refit of the last layer for one.
    """
    model, _, data = load_model(checkpoint)
    split = data.validation
    logits = predict(model, split, torch.device("cpu"))
    metrics = classification_metrics(logits, split.labels, split.groups, data.group_counts)
    return {
        f"validation/{name}": value
        for name, value in metrics.items()
        if name.startswith("accuracy")
    }


def line_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """The setting and the name of the line that a row belongs to."""
    return row.get("setting", ""), name_of(row["method"], row.get("variant", ""))


def with_others(
    study: Study, results: Path, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The rows, and those that the page has of other lines, in the order of the study."""
    order = [
        (setting, line.name) for setting in study.settings for line in study.lines(setting=setting)
    ]
    new = {line_of(row) for row in rows}
    kept = json.loads(results.read_text())["runs"] if results.is_file() else []
    kept = [row for row in kept if line_of(row) in order and line_of(row) not in new]
    return sorted([*rows, *kept], key=lambda row: order.index(line_of(row)))


def jobs_of(
    lines: Sequence[Variant], setting: str, config: RunConfig, seeds: Sequence[int], out: Path
) -> Iterator[tuple[Job, dict[str, str]]]:
    """Every run of a setting, and what its row of `results.json` says besides."""
    for line in lines:
        for seed in seeds:
            own = replace(line.change(config), method=line.method, seed=seed)
            folder = out / line.name / f"seed-{seed}"
            besides = {"setting": setting} | ({"variant": line.label} if line.label else {})
            # for the page: where the runs lie on this machine is of no concern there
            besides |= {"folder": "/".join(folder.parts[-4:])}
            yield Job(f"{setting}, {line.name}, seed {seed}", own, folder), besides


def named(row: dict[str, Any], line: Mapping[str, str]) -> dict[str, Any]:
    """The row of a run under its line's name."""
    if "variant" not in line:
        return {**row, **line}
    method = row["title"].removesuffix(", as published")  # which a variant is not
    return {**row, **line, "title": f"{method}, {line['variant']}"}


def tables_of(study: Study, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Every table by its marker on the page: one of results a setting, one a line of `against`."""
    tables = {}
    for setting in dict.fromkeys(row["setting"] for row in rows):
        own = [row for row in rows if row["setting"] == setting]
        tables[f"results {setting}"] = results_markdown(own, study.metrics)
        if all("noise" in row for row in own):
            tables[f"separation {setting}"] = separation_markdown(own)
        for ours in {row["method"]: None for row in own if row["method"] in study.against}:
            tables[f"{ours} {setting}"] = differences_markdown(own, ours, study.metrics)
    return tables
