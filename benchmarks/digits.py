"""The main table: every method on coloured digits, five seeds, all controls of every budget.

    python -m benchmarks.digits

Keeps its runs in runs/digits (a stopped study goes on), writes docs/results/digits and the short
table in README.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.page import (
    differences_markdown,
    fill_tables,
    headline_markdown,
    results_markdown,
    write_page,
)
from causalogit.cli.progress import run_bars
from causalogit.config import ControlsConfig, RunConfig
from causalogit.methods import METHODS
from causalogit.train import compare

ROOT = Path(__file__).parents[1]
# where the study `benchmarks.recipe` found better settings than the defaults
TUNED = {"product_of_experts": RunConfig(controls=ControlsConfig(product_alpha=0.8))}
PAGE = ROOT / "docs" / "results" / "digits"


def main() -> None:
    """Run what is missing, then write the page's tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/digits"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--jobs", type=int, default=0)
    options = parser.parse_args()
    tuned = [name for name in METHODS if name in TUNED]
    plain = [name for name in METHODS if name not in TUNED]
    jobs = [(RunConfig(), plain, options.out)]
    jobs += [(TUNED[name], [name], options.out / "tuned") for name in tuned]
    rows = []
    with run_bars() as bars:
        for config, methods, out in jobs:
            rows += compare(
                config, methods, options.seeds, out, jobs=options.jobs, on_progress=bars
            )
    tables = {
        "results": results_markdown(rows),
        "differences": differences_markdown(rows, "clp_factual"),
    }
    write_page(PAGE, rows, tables)
    fill_tables(ROOT / "README.md", {"headline": headline_markdown(rows)})


if __name__ == "__main__":
    main()
