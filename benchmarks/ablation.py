"""Which characteristics matter: leave out one, or a group, or replace one.

    python -m benchmarks.ablation

Method `clp` (budget B) on coloured digits by default; `--method clp_factual` for the recipe.
Keeps its runs in runs/ablation, and writes results.json and table.md there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.page import Rows
from causalogit.cli.tables import spread
from causalogit.config import ClpConfig, OptimizerConfig, RunConfig
from causalogit.core import GROUPS, THE_TEN
from causalogit.train import compare
from causalogit.train.checkpoint import write_json, write_text


def variants() -> Iterator[tuple[str, ClpConfig]]:
    """Name and config of every variant, all ten characteristics first."""
    yield "all ten", ClpConfig()
    for group in GROUPS:
        yield f"without {group}", ClpConfig(without=(group,))
    for name in THE_TEN:
        yield f"without {name}", ClpConfig(without=(name,))
    yield "entropy -> confidence", ClpConfig(replace={"entropy": "confidence"})
    yield "cosine -> feature_norm", ClpConfig(replace={"cosine": "feature_norm"})


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="clp")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=0)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name, clp in variants():
        folder = options.out / name.replace(" ", "_").replace("->", "to")
        optimizer = OptimizerConfig(epochs=options.epochs)
        config = RunConfig(method=options.method, clp=clp, optimizer=optimizer)
        runs = compare(config, [options.method], options.seeds, folder, jobs=options.jobs)
        rows += [run | {"variant": name} for run in runs]
    write_json(options.out / "results.json", {"runs": rows})
    write_text(options.out / "table.md", ablation_markdown(rows))
    print(ablation_markdown(rows))


def ablation_markdown(rows: Rows) -> str:
    """One line a variant: last epoch, and its difference to all ten."""
    lines = ["| characteristics | average | worst group | average, against all ten |\n"]
    lines.append("|---|---|---|---|\n")
    full = [row["last"]["accuracy/test_mean"] for row in rows if row["variant"] == "all ten"]
    for name in dict.fromkeys(row["variant"] for row in rows):
        runs = [row["last"] for row in rows if row["variant"] == name]
        averages = [run["accuracy/test_mean"] for run in runs]
        worst = spread([run["accuracy/worst_group"] for run in runs])
        change = 100 * (mean(averages) - mean(full))
        lines.append(f"| {name} | {spread(averages)} | {worst} | {change:+.1f} |\n")
    return "".join(lines)


if __name__ == "__main__":
    main()
