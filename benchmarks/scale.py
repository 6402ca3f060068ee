"""Memory and time of training on images that fit in no memory, by their number and their classes.

    python -m benchmarks.scale

A simulated source: every image is drawn from its number when it is read, so that a million of them
cost no disk. Each setting trains in a process of its own. Writes docs/results/scale.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.page import fill_tables, markdown
from benchmarks.study import ROOT
from causalogit.config import ClpConfig, OptimizerConfig, RunConfig
from causalogit.data import Data, Split, epoch_batches
from causalogit.data.images import Pixels
from causalogit.files import write_json
from causalogit.methods import Task, build_method
from causalogit.models import build_model
from causalogit.train.environment import git_revision
from causalogit.train.optimizer import build_optimizer

PAGE = ROOT / "docs" / "results" / "scale"
METHODS = ("erm", "clp")
SIZES = ((10, 13_000), (10, 1_300_000), (1000, 1_300_000))
WARM_UP = 5


@dataclass(frozen=True)
class Simulated:
    """Noise of 3 x 32 x 32, another for every number; the object is the middle."""

    size: int
    shape: tuple[int, int, int] = (3, 32, 32)
    has_masks: bool = True

    def __len__(self) -> int:
        return self.size

    def read(self, index: Tensor) -> Pixels:
        """Images and masks at `index`."""
        images = torch.stack(
            [torch.rand(self.shape, generator=torch.Generator().manual_seed(int(i))) for i in index]
        )
        masks = torch.zeros(len(index), 1, *self.shape[1:])
        masks[..., 8:24, 8:24] = 1
        return images, masks


def simulated(classes: int, size: int) -> Data:
    """A training set of this size, and ten images of each class in every other split."""

    def split(count: int) -> Split:
        labels = torch.arange(count) % classes
        return Split(Simulated(count), labels, labels)

    few = split(10 * classes)
    names = tuple(map(str, range(classes)))
    mean = torch.full((3,), 0.5)
    return Data(split(size), few, few, few, names, ("",), "image", mean, "simulated", {})


def measure(classes: int, size: int, method: str, steps: int) -> dict[str, Any]:
    """Seconds of a step, and the process's memory before and after the run, in MB."""
    torch.set_num_threads(1)
    config = RunConfig(
        method=method,
        model="resnet8",
        optimizer=OptimizerConfig(batch_size=64),
        clp=ClpConfig(meta_batch_size=16),
    )
    before = peak_memory()
    data = simulated(classes, size)
    model = build_model(config.model, classes, 3, config.seed)
    optimizer = build_optimizer(model, config.optimizer)
    generator = torch.Generator().manual_seed(config.seed)
    learner = build_method(Task(config, data, model, optimizer, generator, torch.device("cpu")))
    model.train()
    seconds = []
    batches = epoch_batches(learner.training_split(), 64, config.seed, 0)
    started = time.perf_counter()
    for batch in islice(batches, steps + WARM_UP):
        learner.step(batch)
        seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
    learner.end_epoch()
    return {
        "method": method,
        "classes": classes,
        "images": size,
        "milliseconds": 1000 * median(seconds[WARM_UP:]),
        "memory_mb": peak_memory() - before,
        "revision": git_revision(),
    }


def peak_memory() -> float:
    """Of this process until now, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure every setting and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60, help="that are timed")
    steps = parser.parse_args().steps
    rows = []
    for method in METHODS:
        for classes, size in SIZES:
            # memory is that of a process: each setting has a fresh one
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                rows.append(pool.apply(measure, (classes, size, method, steps)))
            print(rows[-1], flush=True)
    lines = [["method", "classes", "images", "ms a step", "memory, MB"], ["---"] * 5]
    for row in rows:
        cells = [f"{row['milliseconds']:.0f}", f"{row['memory_mb']:.0f}"]
        lines.append([f"`{row['method']}`", str(row["classes"]), f"{row['images']:,}", *cells])
    write_json(PAGE / "results.json", {"runs": rows})
    fill_tables(PAGE / "README.md", {"scale": markdown(lines)})


if __name__ == "__main__":
    main()
