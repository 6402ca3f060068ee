"""Choose the recipe of budget C on validation data alone.

    python -m benchmarks.recipe --out runs/recipe

Trains every candidate with seeds 10 to 14, which no reported table uses, and prints the validation
accuracy of the last epoch. No test figure is read.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from statistics import mean

from causalogit.config import ClpConfig, ControlsConfig, FillName, NetworkConfig, RunConfig
from causalogit.train import compare
from causalogit.train.checkpoint import write_json
from causalogit.train.compare import run_folder

SEEDS = range(10, 15)


FILLS: tuple[FillName, ...] = ("random", "mixed_rand", "shuffle")
NETWORKS = {
    "target 1": NetworkConfig("target", 1.0, 1e-2),
    "target 2": NetworkConfig("target", 2.0, 1e-2),
    "target 4": NetworkConfig("target", 4.0, 1e-2),
    "target 1, rate 1e-3": NetworkConfig("target", 1.0, 1e-3),
    "vector 1": NetworkConfig("vector", 1.0, 1e-3),
    "expert 1": NetworkConfig("expert", 1.0, 1e-3),
}


def candidates() -> dict[str, RunConfig]:
    """The settings tried: the control with each fill, then CLP on the fill that served it best."""
    tried = {
        f"erm_factual {fill}": RunConfig(
            method="erm_factual", controls=ControlsConfig(train_fill=fill)
        )
        for fill in FILLS
    }
    best = ControlsConfig(train_fill="random")
    for name, network in NETWORKS.items():
        tried[f"clp_factual {name}"] = RunConfig(
            method="clp_factual", clp=ClpConfig(network=network), controls=best
        )
    tried["clp_factual target 2, no counterfactual term"] = RunConfig(
        method="clp_factual",
        clp=ClpConfig(network=NETWORKS["target 2"], counterfactual="none"),
        controls=best,
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
