"""What is measured for the report alone: attention, and answers that follow the background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from statistics import mean, stdev

import torch
from torch import Tensor

from causalogit.evaluate.attention import attention_inside, attention_maps
from causalogit.evaluate.metrics import predict
from causalogit.report.lineup import Entry
from causalogit.report.scene import Scene
from causalogit.train.load import LoadedRun

MEASURED = 200
"""Most test images whose attention is measured: every n-th of the test set."""


@dataclass(frozen=True)
class Spread:
    """Mean over seeds and standard deviation, None for a single seed."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value a seed."""
        return cls(mean(values), stdev(values) if len(values) > 1 else None)


@dataclass(frozen=True)
class Measures:
    """Shares, 0 to 1, of one method.

    Attributes:
        inside: attention on the object; None where the test images have no masks.
        area: what `inside` would be if the model looked everywhere alike.
        misled: right answers on test images whose background goes with another class.
        agreeing: right answers on test images whose background goes with their class.
        follows: answers, on the images of `misled`, that name the background's class.
    """

    inside: Spread | None
    area: float | None
    misled: Spread | None
    agreeing: Spread | None
    follows: Spread | None


def measure(entry: Entry, scene: Scene) -> Measures:
    """Measure every run of a method on its own test set."""
    rows = [_measure_run(run, scene) for run in entry.runs]

    def spread(pick: Callable[[dict[str, float]], float]) -> Spread | None:
        values = [value for row in rows if not isnan(value := pick(row))]
        return Spread.of(values) if values else None

    area = spread(lambda row: row["area"])
    return Measures(
        inside=spread(lambda row: row["inside"]),
        area=None if area is None else area.mean,
        misled=spread(lambda row: row["misled"]),
        agreeing=spread(lambda row: row["agreeing"]),
        follows=spread(lambda row: row["follows"]),
    )


def measured_images(count: int) -> Tensor:
    """Which of `count` test images have their attention measured."""
    return torch.arange(0, count, max(1, -(-count // MEASURED)))


def _measure_run(run: LoadedRun, scene: Scene) -> dict[str, float]:
    test = run.data.test
    answers = predict(run.model, test, torch.device("cpu")).argmax(1)
    agrees, right = scene.agrees(test), (answers == test.labels).double()
    follows = (answers == scene.background(test)).double()
    row = {
        "misled": right[~agrees].mean().item(),
        "agreeing": right[agrees].mean().item(),
        "follows": follows[~agrees].mean().item(),
        "inside": float("nan"),
        "area": float("nan"),
    }
    if test.has_masks:
        some = test.batch(measured_images(len(test)))
        maps = attention_maps(run.model, some.images, answers[some.indices], fill=run.data.mean)
        assert some.masks is not None
        row["inside"] = attention_inside(maps, some.masks).nanmean().item()
        row["area"] = some.masks.mean().item()
    return row
