"""The images at the top: what two classifiers see of the same test images, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from causalogit.evaluate.attention import attention_maps
from causalogit.report.lineup import Entry
from causalogit.report.pictures import data_uri, encode, magnified, picture, spotlight
from causalogit.report.scene import Scene
from causalogit.train.checkpoint import write_atomically
from causalogit.train.load import LoadedRun

RULE = (
    "Not picked by hand: for every class the first test image on the next class's background; "
    "then, until there are eight, on the background after that."
)


@dataclass(frozen=True)
class Answer:
    """What one classifier sees and says of one image."""

    title: str
    tone: int
    uri: str
    alt: str
    says: str
    paint: str
    right: bool
    follows: bool


@dataclass(frozen=True)
class Example:
    """One test image with the answers of all who are shown."""

    uri: str
    alt: str
    name: str
    background: str
    answers: list[Answer]


def choose_examples(labels: Tensor, backgrounds: Tensor, classes: int, count: int = 8) -> list[int]:
    """Indices of disagreeing images by the fixed `RULE`; fewer where the data has fewer.

    Args:
        labels: `(N,)`.
        backgrounds: `(N,)`; background c goes with class c.
        classes: C.
        count: how many.
    """
    chosen: list[int] = []
    for step in range(1, classes):
        for label in range(classes):
            fits = (labels == label) & (backgrounds == (label + step) % classes)
            chosen += fits.nonzero().squeeze(1)[:1].tolist()
    return chosen[:count]


def look(
    pair: Sequence[tuple[Entry, LoadedRun]], scene: Scene, sheet: Path | None = None
) -> list[Example]:
    """The same test images as every run of `pair` sees them; `sheet` gets them as one PNG."""
    test = pair[0][1].data.test
    chosen = torch.tensor(
        choose_examples(test.labels, scene.background(test), len(scene.classes)), dtype=torch.long
    )
    if not len(chosen):
        return []
    batch = test.batch(chosen)
    lit = [_seen(run, batch.images) for _, run in pair]
    if sheet is not None:
        rows = [torch.cat([magnified(image) for image in batch.images], 2)]
        rows += [torch.cat(pictures, 2) for _, pictures in lit]
        content = encode(torch.cat(rows, 1))
        write_atomically(sheet, lambda file: file.write(content))
    examples = []
    for place, (label, background) in enumerate(
        zip(batch.labels.tolist(), scene.background(test)[chosen].tolist(), strict=True)
    ):
        name, colour = scene.classes[label], scene.backgrounds[background]
        answers = [
            _answer(entry, says[place], pictures[place], label, background, scene)
            for (entry, _), (says, pictures) in zip(pair, lit, strict=True)
        ]
        alt = f"Test image: {scene.object} {name} on {colour}."
        examples.append(Example(picture(batch.images[place]), alt, name, colour, answers))
    return examples


def _seen(run: LoadedRun, images: Tensor) -> tuple[list[int], list[Tensor]]:
    with torch.no_grad():
        says = run.model(images).argmax(1)
    maps = attention_maps(run.model, images, says, fill=run.data.mean, stride=1)
    return says.tolist(), [spotlight(image, m) for image, m in zip(images, maps, strict=True)]


def _answer(
    entry: Entry, says: int, seen: Tensor, label: int, background: int, scene: Scene
) -> Answer:
    right = says == label
    return Answer(
        entry.title,
        entry.tone,
        data_uri(encode(seen)),
        f"Where {entry.title} looks; it says {scene.classes[says]}, "
        + ("which is right." if right else "which is wrong."),
        scene.classes[says],
        scene.paints[says] if says < len(scene.paints) else scene.paints[0],
        right,
        says == background,
    )
