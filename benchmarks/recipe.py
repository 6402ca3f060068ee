"""Choose the recipe of budget C, and the settings of its controls, on validation data alone.

    python -m benchmarks.recipe

Trains every candidate with seeds 10 to 14, which no reported table uses, and compares the
validation accuracy of the last epoch; no test figure is read. Keeps its runs in runs/recipe and
writes docs/results/recipe.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from benchmarks.page import Rows, write_page
from causalogit.cli.tables import spread
from causalogit.config import (
    ClpConfig,
    ControlsConfig,
    DataConfig,
    FillName,
    NetworkConfig,
    OptimizerConfig,
    RunConfig,
)
from causalogit.train import compare

PAGE = Path(__file__).parents[1] / "docs" / "results" / "recipe"
SEEDS = range(10, 15)
# nearly all held-out images validate: 55 a group instead of 16
DATA = DataConfig(validation_size=1375, test_size=25)
OPTIMIZER = OptimizerConfig(schedule="constant")
FILLS: tuple[FillName, ...] = ("random", "mixed_rand", "shuffle")
NETWORKS = {
    "contrast 1": NetworkConfig("contrast", 1.0, 1e-2),
    "contrast 1, slow": NetworkConfig("contrast", 1.0, 1e-3),
}


def candidates() -> dict[str, RunConfig]:
    """The settings tried: the controls' own, then CLP on the fill that served the control best."""
    tried = {
        f"erm_factual {fill}": RunConfig(
            method="erm_factual",
            data=DATA,
            optimizer=OPTIMIZER,
            controls=ControlsConfig(train_fill=fill),
        )
        for fill in FILLS
    }
    for alpha, epochs in ((0.8, 3), (1.0, 3), (1.0, 5)):
        tried[f"product_of_experts {alpha:g}, expert {epochs} epochs"] = RunConfig(
            method="product_of_experts",
            data=DATA,
            optimizer=OPTIMIZER,
            clp=ClpConfig(expert_epochs=epochs),
            controls=ControlsConfig(product_alpha=alpha),
        )
    best = ControlsConfig(train_fill="random")
    for name, network in NETWORKS.items():
        tried[f"clp_factual {name}"] = RunConfig(
            method="clp_factual",
            data=DATA,
            optimizer=OPTIMIZER,
            clp=ClpConfig(network=network),
            controls=best,
        )
    return tried


def validation_row(row: dict[str, Any], variant: str) -> dict[str, Any]:
    """A row of `results.json` with validation figures in place of the test's."""
    with (Path(row["folder"]) / "metrics.csv").open(newline="") as file:
        epochs = [
            {
                name: float(value)
                for name, value in line.items()
                if name == "epoch" or name.startswith("validation/accuracy")
            }
            for line in csv.DictReader(file)
        ]
    best = max(epochs, key=lambda epoch: epoch["validation/accuracy/mean"])
    kept = {key: value for key, value in row.items() if key != "selections"}
    return kept | {"variant": variant, "last": epochs[-1], "selected": best}


def recipe_markdown(rows: Rows) -> str:
    """One line a candidate: validation accuracy of the last epoch."""
    lines = ["| candidate | validation average | validation worst group |\n", "|---|---|---|\n"]
    for name in dict.fromkeys(row["variant"] for row in rows):
        runs = [row["last"] for row in rows if row["variant"] == name]
        cells = [
            spread([run[f"validation/accuracy/{metric}"] for run in runs])
            for metric in ("mean", "worst_group")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |\n")
    return "".join(lines)


def main() -> None:
    """Run what is missing, then write the page's table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/recipe"))
    parser.add_argument("--jobs", type=int, default=0)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name, config in candidates().items():
        out = options.out / name.replace(" ", "_").replace(",", "")
        runs = compare(config, [config.method], SEEDS, out, jobs=options.jobs)
        rows += [validation_row(run, name) for run in runs]
        print(recipe_markdown(rows), flush=True)
    write_page(PAGE, rows, {"results": recipe_markdown(rows)})


if __name__ == "__main__":
    main()
