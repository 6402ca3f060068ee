r"""Does `fix` close half of the gap between average and worst group, with found masks alone?

    python -m benchmarks.lite0 LITE0.safetensors
    python -m benchmarks.u2netp
    python -m benchmarks.fix --foregrounds CUTOUTS --backgrounds SCENES --weights LITE0.safetensors

Composes pets on scenes, trains plain classifiers on them, and fixes each: the masks are those that
U2-Net-p finds, no others are given. Keeps sets, runs and fixes in runs/fix (a stopped study goes
on), writes docs/results/fix.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.page import Rows, interval, markdown, write_page
from benchmarks.reliance import parser_of, trained
from benchmarks.study import ROOT
from causalogit.cli.tables import spread
from causalogit.config import DataConfig
from causalogit.data.samples import PARTS
from causalogit.files import write_json, write_text
from causalogit.fixing import FixConfig, Fixed, fix
from causalogit.train.environment import git_revision

PAGE = ROOT / "docs" / "results" / "fix"
METHODS = ("clp_factual", "erm_factual")
SEGMENTER = "u2netp"


def without_masks(composed: Path, table: Path) -> Path:
    """A table of a composed set's photos, classes, places and splits: all but its masks."""
    with (composed / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image", "label", "group", "split"))
    for row in rows:
        image = (composed / row["img_filename"]).resolve()
        split = PARTS[int(row["split"])]
        writer.writerow((image, row["label_name"], row["place_name"], split))
    write_text(table, text.getvalue())
    return table


def mended(options: argparse.Namespace, checkpoint: Path, seed: int, method: str) -> Fixed:
    """A plain classifier, fixed; the second method takes the masks that the first has had made."""
    folder = checkpoint.parents[1]
    table = folder / METHODS[0] / "masks" / "photos.csv"
    if method == METHODS[0] or not table.is_file():
        table = without_masks(folder / "set", folder / "photos.csv")
    config = FixConfig(
        data=DataConfig(source=str(table)),
        segmenter=SEGMENTER,
        method=method,
        seed=seed,
        attention=0,
    )
    if options.epochs is not None:
        config = replace(config, optimizer=replace(config.optimizer, epochs=options.epochs))
    return fix(config, str(checkpoint), folder / method, pictures=False)


def row_of(fixed: Fixed) -> dict[str, Any]:
    """What the page needs of a fix."""
    gap, reliance = fixed.gap, fixed.reliance
    assert gap is not None
    assert gap.known
    assert reliance is not None
    return {
        "before": {
            "average": fixed.accuracy.before.value,
            "worst_group": gap.worst_before.accuracy.before.value,
            "reliance": reliance.before.value,
            "verdict": fixed.before.verdict.word,
        },
        "after": {
            "average": fixed.accuracy.after.value,
            "worst_group": gap.worst_after.accuracy.after.value,
            "reliance": reliance.after.value,
            "verdict": fixed.after.verdict.word,
        },
        "closed": gap.closed,
        "epochs": fixed.epochs,
    }


def fixes_markdown(rows: Rows) -> str:
    """A line a correlation and method: before, after, and the share of the gap that is closed."""
    head = ["correlation", "method", "average", "worst group", "reliance", "share of gap closed"]
    lines = [head, ["---"] * len(head)]
    for correlation, method in dict.fromkeys((r["correlation"], r["method"]) for r in rows):
        own = [r for r in rows if (r["correlation"], r["method"]) == (correlation, method)]
        cells = [
            " → ".join(spread([row[when][name] for row in own]) for when in ("before", "after"))
            for name in ("average", "worst_group", "reliance")
        ]
        closed = interval([100 * row["closed"] for row in own])
        lines.append([f"{correlation:g}", f"`{method}`", *cells, closed])
    return markdown(lines)


def words_markdown(rows: Rows) -> str:
    """A line a correlation and method: the verdicts of the audits, and the seconds of a fix."""
    head = ["correlation", "method", "verdict before", "verdict after", "seconds"]
    lines = [head, ["---"] * len(head)]
    for correlation, method in dict.fromkeys((r["correlation"], r["method"]) for r in rows):
        own = [r for r in rows if (r["correlation"], r["method"]) == (correlation, method)]
        said = [_counted([row[when]["verdict"] for row in own]) for when in ("before", "after")]
        seconds = f"{mean(row['seconds'] for row in own):.0f}"
        lines.append([f"{correlation:g}", f"`{method}`", *said, seconds])
    return markdown(lines)


def _counted(words: Sequence[str]) -> str:
    said = [word.replace("_", " ") for word in words]
    return ", ".join(f"{said.count(own)} {own}" for own in dict.fromkeys(said))


def main() -> None:
    """Make what is missing, then write the page's tables."""
    parser = parser_of(__doc__, "runs/fix")
    parser.add_argument("--correlations", type=float, nargs="+", default=[0.9])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--epochs", type=int, help="of the fix, for a try: no page is written then")
    options = parser.parse_args()
    rows = []
    for correlation in options.correlations:
        for method in options.methods:
            for seed in options.seeds:
                file = options.out / f"{correlation:g}-seed-{seed}" / f"{method}.json"
                if not file.is_file():
                    checkpoint = trained(options, correlation, seed)
                    started = time.perf_counter()
                    fixed = mended(options, checkpoint, seed, method)
                    what = {"correlation": correlation, "method": method, "seed": seed}
                    seconds = round(time.perf_counter() - started, 1)
                    besides = {"seconds": seconds, "revision": git_revision()}
                    write_json(file, what | row_of(fixed) | besides)
                rows.append(json.loads(file.read_text()))
                print(rows[-1], flush=True)
    tables = {"fixes": fixes_markdown(rows), "words": words_markdown(rows)}
    if options.epochs is None:
        write_page(PAGE, rows, tables)
    else:
        print(*tables.values(), sep="\n")


if __name__ == "__main__":
    main()
