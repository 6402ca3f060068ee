"""What is measured for the report alone: attention, and answers that follow the attribute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from statistics import mean, stdev

import torch
from torch import Tensor

from causalogit.evaluate.attention import attention_inside
from causalogit.evaluate.metrics import predict
from causalogit.report.lineup import Entry
from causalogit.report.scene import Scene, describe_scene
from causalogit.report.seen import see
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
    """Shares, 0 to 1, of one method; None where there is nothing to measure.

    Attributes:
        inside: attention on the object; None where the test images have no masks.
        area: what `inside` would be if the model looked everywhere alike.
        misled: right answers on test images whose attribute is not the usual one of their class.
        agreeing: right answers on test images whose attribute is.
        follows: answers, on images of `misled`, that name the class their attribute goes with.
        balanced: right answers, every class alike.
        worst: right answers in the class that does worst.
        classes: right answers in each class, the mean over seeds.
        misleading: how many images `misled` is about, of each run.
        leading: how many of them `follows` is about: their attribute goes with another class.
    """

    inside: Spread | None
    area: float | None
    misled: Spread | None
    agreeing: Spread | None
    follows: Spread | None
    balanced: Spread | None = None
    worst: Spread | None = None
    classes: tuple[float | None, ...] = ()
    misleading: tuple[int, ...] = ()
    leading: tuple[int, ...] = ()


def measure(entry: Entry) -> Measures:
    """Measure every run of a method on its own test set."""
    rows = [_measure_run(run) for run in entry.runs]

    def spread(name: str) -> Spread | None:
        values = [row[name] for row in rows if not isnan(row.get(name, math.nan))]
        return Spread.of(values) if values else None

    area = spread("area")
    by_class = [spread(f"class/{label}") for label in range(entry.runs[0].data.num_classes)]
    return Measures(
        inside=spread("inside"),
        area=None if area is None else area.mean,
        misled=spread("misled"),
        agreeing=spread("agreeing"),
        follows=spread("follows"),
        misleading=tuple(int(row["misleading"]) for row in rows if "misleading" in row),
        leading=tuple(int(row["leading"]) for row in rows if "leading" in row),
        balanced=spread("balanced"),
        worst=spread("worst"),
        classes=tuple(None if own is None else own.mean for own in by_class),
    )


def shown_measures(scene: Scene, measures: Mapping[str, Measures]) -> dict[str, str]:
    """Names of the measures that tell something about these data, with their titles."""
    shown = {}
    if any(own.inside is not None for own in measures.values()):
        shown["inside"] = f"Attention on the {scene.object}"
    if scene.distinct:
        shown["misled"] = f"Right where the {scene.attribute} misleads"
        shown["follows"] = f"Names the {scene.attribute}'s class instead"
    else:
        shown["balanced"] = "Right, every class alike"
        shown["worst"] = "Right in the class that does worst"
    return shown


def measured_images(count: int) -> Tensor:
    """Which of `count` test images have their attention measured."""
    return torch.arange(0, count, max(1, -(-count // MEASURED)))


def _measure_run(run: LoadedRun) -> dict[str, float]:
    test = run.data.test
    answers = predict(run.model, test, torch.device("cpu")).argmax(1)
    right = (answers == test.labels).double()
    by_class = [right[test.labels == label].mean().item() for label in range(run.data.num_classes)]
    known = [accuracy for accuracy in by_class if not isnan(accuracy)]
    row = {f"class/{label}": accuracy for label, accuracy in enumerate(by_class)}
    row |= {"balanced": mean(known), "worst": min(known)}
    return row | _answers(run, answers) | _attention(run, answers)


def _answers(run: LoadedRun, answers: Tensor) -> dict[str, float]:
    """What the answers have to do with the attributes; nothing where there are none."""
    scene, test = describe_scene(run), run.data.test
    if not scene.has_attributes:
        return {}
    agrees, right = scene.agrees(test), (answers == test.labels).double()
    row = {"misled": right[~agrees].mean().item(), "agreeing": right[agrees].mean().item()}
    if scene.distinct:
        attributes = scene.attribute_of(test)
        # an attribute that is usual with no class leads nowhere
        leads = ~agrees & torch.isin(attributes, torch.tensor(scene.usual))
        follows = (scene.usual_of(answers) == attributes).double()
        row |= {"misleading": (~agrees).sum().item(), "leading": leads.sum().item()}
        row["follows"] = follows[leads].mean().item()
    return row


def _attention(run: LoadedRun, answers: Tensor) -> dict[str, float]:
    """The share on the object; nothing where there are no masks."""
    test = run.data.test
    if not test.has_masks:
        return {}
    some = test.batch(measured_images(len(test)))
    assert some.masks is not None
    maps = see(run, some.images, answers[some.indices])
    return {
        "inside": attention_inside(maps, some.masks).nanmean().item(),
        "area": some.masks.mean().item(),
    }
