"""Choose the recipe of budget C on validation data alone.

    python -m benchmarks.recipe --out runs/recipe

Trains every candidate with seeds 10 to 14, which no reported table uses, and prints the validation
accuracy of the last epoch; no test figure is read.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from statistics import mean

from causalogit.config import (
    ClpConfig,
    ControlsConfig,
    DataConfig,
    FillName,
    NetworkConfig,
    RunConfig,
)
from causalogit.train import compare
from causalogit.train.checkpoint import write_json
from causalogit.train.compare import run_folder

SEEDS = range(10, 15)
# nearly all held-out images validate: 55 a group instead of 16
DATA = DataConfig(validation_size=1375, test_size=25)
FILLS: tuple[FillName, ...] = ("random", "mixed_rand", "shuffle")
NETWORKS = {
    "contrast 1": NetworkConfig("contrast", 1.0, 1e-2),
    "target 1": NetworkConfig("target", 1.0, 1e-2),
    "vector 1": NetworkConfig("vector", 1.0, 1e-3),
    "expert 1": NetworkConfig("expert", 1.0, 1e-3),
    "contrast 3": NetworkConfig("contrast", 3.0, 1e-2),
}


def candidates() -> dict[str, RunConfig]:
    """The settings tried: the control with each fill, then CLP on the fill that served it best."""
    tried = {
        f"erm_factual {fill}": RunConfig(
            method="erm_factual", data=DATA, controls=ControlsConfig(train_fill=fill)
        )
        for fill in FILLS
    }
    best = ControlsConfig(train_fill="random")
    for name, network in NETWORKS.items():
        tried[f"clp_factual {name}"] = RunConfig(
            method="clp_factual", data=DATA, clp=ClpConfig(network=network), controls=best
        )
    return tried


def validation(folder: Path) -> tuple[float, float]:
    """Mean and worst-group accuracy on validation after the last epoch."""
    with (folder / "metrics.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    return float(last["validation/accuracy/mean"]), float(last["validation/accuracy/worst_group"])


def main() -> None:
    """Run the study; what is there already is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/recipe"))
    parser.add_argument("--jobs", type=int, default=0)
    options = parser.parse_args()
    results: dict[str, dict[str, float | list[float]]] = {}
    for name, config in candidates().items():
        out = options.out / name.replace(" ", "_").replace(",", "")
        compare(config, [config.method], SEEDS, out, jobs=options.jobs)
        scores = [validation(run_folder(out, config.method, seed)) for seed in SEEDS]
        results[name] = {
            "validation_mean": mean(score[0] for score in scores),
            "validation_worst_group": mean(score[1] for score in scores),
            "worst_group_by_seed": [score[1] for score in scores],
        }
        write_json(options.out / "recipe.json", results)
        print(name, json.dumps(results[name]), flush=True)


if __name__ == "__main__":
    main()
