"""Meta images of which the classifiers at the top of the page say something else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from causalogit.data import Split
from causalogit.evaluate.metrics import predict
from causalogit.report.lineup import Entry
from causalogit.report.looks import COUNT
from causalogit.report.pictures import picture
from causalogit.report.scene import Scene
from causalogit.report.trained_on import Picture, Strip, in_truth
from causalogit.train.load import LoadedRun


def meta_doubts(pair: Sequence[tuple[Entry, LoadedRun]], scene: Scene) -> Strip | None:
    """Where to look for wrong labels in the meta set; None where no label is doubted.

    One classifier may know the meta set by heart, and another go by the background: so an image
    counts where all of `pair` call it something else, and the most that one of them gives its label
    is how far it is doubted.
    """
    meta = pair[-1][1].data.meta
    cpu = torch.device("cpu")
    given = torch.stack([predict(run.model, meta, cpu).softmax(1) for _, run in pair])
    doubted = (given.argmax(2) != meta.labels).all(0)
    belief = given.amax(0)[torch.arange(len(meta)), meta.labels]
    order = belief.argsort(stable=True)
    most = order[doubted[order]][:COUNT]
    if not len(most):
        return None
    who = " and ".join(entry.title for entry, _ in pair)
    return Strip(
        "Meta images whose label is doubted",
        f"{who} {'both call' if len(pair) > 1 else 'calls'} {int(doubted.sum())} of the "
        f"{len(meta)} something else; here those whose label they give the least. What learns from "
        "the meta set takes its labels as right, and wrong ones do harm.",
        [_pictured(meta, index, given[-1, index], scene) for index in most.tolist()],
    )


def _pictured(meta: Split, index: int, given: Tensor, scene: Scene) -> Picture:
    label, answer = scene.classes[int(meta.labels[index])], scene.classes[int(given.argmax())]
    truth = in_truth(meta, index, scene)
    image = meta.batch(torch.tensor([index])).images[0]
    alt = f"Meta image with the label {label}, called {answer}{truth}."
    return Picture(picture(image), alt, f"{label}; said: {answer}{truth}", label)
