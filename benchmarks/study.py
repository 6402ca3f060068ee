"""A study: lines of a table times seeds, in one or several settings, and the page about it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.page import (
    differences_markdown,
    results_markdown,
    separation_markdown,
    write_page,
)
from causalogit.cli.progress import run_bars
from causalogit.config import RunConfig
from causalogit.train import Job, run_all

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
    """

    name: str
    settings: Mapping[str, RunConfig]
    methods: Sequence[str]
    variants: Sequence[Variant]
    metrics: Mapping[str, str]
    against: Sequence[str]


def main(study: Study, description: str | None) -> list[dict[str, Any]]:
    """The command of a study: run what is missing, write its page's tables, return their rows."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--path", help="where the data set lies, in place of its download")
    parser.add_argument("--weights", help="file of the weights to start from")
    parser.add_argument("--settings", nargs="+", default=list(study.settings))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
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
        if options.weights:
            config = replace(config, weights=options.weights)
        for job, line in jobs_of(study, setting, config, options.seeds, out / setting):
            wanted.append(job)
            lines.append(line)
    with run_bars() as bars:
        rows = run_all(wanted, out / "results.json", jobs=options.jobs, on_progress=bars)
    page = ROOT / "docs" / "results" / study.name
    rows = [named(row, line) for row, line in zip(rows, lines, strict=True)]
    rows += of_other_settings(page, options.settings)
    rows.sort(key=lambda row: list(study.settings).index(row["setting"]))
    write_page(page, rows, tables_of(study, rows))
    return rows


def of_other_settings(page: Path, settings: Sequence[str]) -> list[dict[str, Any]]:
    """Rows that the page has already, of settings that are not made anew."""
    results = page / "results.json"
    if not results.is_file():
        return []
    return [
        row for row in json.loads(results.read_text())["runs"] if row["setting"] not in settings
    ]


def jobs_of(
    study: Study, setting: str, config: RunConfig, seeds: Sequence[int], out: Path
) -> Iterator[tuple[Job, dict[str, str]]]:
    """Every run of a setting, and what its row of `results.json` says besides."""
    plain = [Variant(name, "", lambda config: config) for name in study.methods]
    for variant in (*plain, *study.variants):
        name = f"{variant.method} {variant.label}".strip().replace(" ", "-")
        for seed in seeds:
            own = replace(variant.change(config), method=variant.method, seed=seed)
            label = f"{setting}, {name}, seed {seed}"
            line = {"setting": setting} | ({"variant": variant.label} if variant.label else {})
            folder = out / name / f"seed-{seed}"
            # for the page: where the runs lie on this machine is of no concern there
            line |= {"folder": "/".join(folder.parts[-4:])}
            yield Job(label, own, folder), line


def named(row: dict[str, Any], line: Mapping[str, str]) -> dict[str, Any]:
    """The row of a run under its line's name."""
    title = f"{row['title']}, {line['variant']}" if "variant" in line else row["title"]
    return {**row, **line, "title": title}


def tables_of(study: Study, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Every table by its marker on the page: one of results a setting, one a line of `against`."""
    tables = {}
    for setting in dict.fromkeys(row["setting"] for row in rows):
        own = [row for row in rows if row["setting"] == setting]
        tables[f"results {setting}"] = results_markdown(own, study.metrics)
        if all("noise" in row for row in own):
            tables[f"separation {setting}"] = separation_markdown(own)
        for ours in study.against:
            tables[f"{ours} {setting}"] = differences_markdown(own, ours, study.metrics)
    return tables
