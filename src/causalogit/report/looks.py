"""The images at the top: what two classifiers see of the same test images, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from causalogit.files import write_bytes
from causalogit.report.lineup import Entry
from causalogit.report.pictures import (
    embedded,
    encode,
    is_photo,
    magnified,
    picture,
    spotlight,
)
from causalogit.report.scene import Scene, evenly
from causalogit.report.seen import see
from causalogit.train.load import LoadedRun

COUNT = 8
"""Test images that are shown, at most."""


def rule(scene: Scene) -> str:
    """How the images were chosen, in words."""
    some = "every class"
    if len(scene.classes) > COUNT:
        some = f"each of {COUNT} classes, evenly spread over all {len(scene.classes)},"
    if not scene.has_attributes:
        more = "" if len(scene.classes) >= COUNT else "; then, until there are eight, the next ones"
        return f"Not picked by hand: for {some} the first test image{more}."
    if not (scene.distinct and scene.attribute == "background" and len(scene.classes) <= COUNT):
        return (
            f"Not picked by hand: for {some} the first test image, if any, with the "
            f"{scene.attribute} that comes after the usual one of its class in the order of the "
            "groups; then, until there are eight, with the one after that."
        )
    return (
        f"Not picked by hand: for {some} the first test image, if any, on the next class's "
        "background; "
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


@dataclass(frozen=True)
class Example:
    """One test image with the answers of all who are shown."""

    uri: str
    alt: str
    name: str
    answers: list[Answer]


def choose_examples(
    labels: Tensor,
    attributes: Tensor,
    usual: Sequence[int],
    num_attributes: int,
    count: int = COUNT,
) -> list[int]:
    """Indices of images by the fixed `rule`; fewer where the data has fewer.

    Of every class in turn the first image with the attribute after the usual one, cyclically; then
    with the one after that; then the second images. Without attributes, the first of every class,
    then the second.

    Args:
        labels: `(N,)`.
        attributes: `(N,)`.
        usual: the attribute that goes with each class, `(C,)`.
        num_attributes: how many there are.
        count: how many images.
    """
    classes = evenly(len(usual), count)
    steps = range(1, num_attributes) if num_attributes > 1 else range(1)
    fitting = [
        ((labels == label) & (attributes == (usual[label] + step) % num_attributes))
        .nonzero()
        .squeeze(1)[:count]
        .tolist()
        for step in steps
        for label in classes
    ]
    return [own[nth] for nth in range(count) for own in fitting if nth < len(own)][:count]


def look(
    pair: Sequence[tuple[Entry, LoadedRun]], scene: Scene, sheet: Path | None = None
) -> list[Example]:
    """The same test images as every run of `pair` sees them; `sheet` gets them as one PNG."""
    test = pair[0][1].data.test
    chosen = torch.tensor(
        choose_examples(test.labels, scene.attribute_of(test), scene.usual, len(scene.attributes)),
        dtype=torch.long,
    )
    if not len(chosen):
        return []
    batch = test.batch(chosen)
    lit = [_seen(run, batch.images) for _, run in pair]
    if sheet is not None:
        rows = [torch.cat([magnified(image) for image in batch.images], 2)]
        rows += [torch.cat(pictures, 2) for _, pictures in lit]
        content = encode(torch.cat(rows, 1))
        write_bytes(sheet, content)
    examples = []
    for place, (label, attribute) in enumerate(
        zip(batch.labels.tolist(), scene.attribute_of(test)[chosen].tolist(), strict=True)
    ):
        image = batch.images[place]
        answers = [
            _answer(entry, says[place], embedded(pictures[place], is_photo(image)), label, scene)
            for (entry, _), (says, pictures) in zip(pair, lit, strict=True)
        ]
        alt = f"Test image: {scene.object} {scene.named(label, attribute)}."
        # a colour is to be seen; any other attribute has to be said
        name = scene.classes[label] if scene.paints else scene.named(label, attribute)
        examples.append(Example(picture(image), alt, name, answers))
    return examples


def _seen(run: LoadedRun, images: Tensor) -> tuple[list[int], list[Tensor]]:
    with torch.no_grad():
        says = run.model(images).argmax(1)
    maps = see(run, images, says, fine=True)
    return says.tolist(), [spotlight(image, m) for image, m in zip(images, maps, strict=True)]


def _answer(entry: Entry, says: int, uri: str, label: int, scene: Scene) -> Answer:
    right = says == label
    return Answer(
        entry.title,
        entry.tone,
        uri,
        f"Where {entry.title} looks; it says {scene.classes[says]}, "
        + ("which is right." if right else "which is wrong."),
        scene.classes[says],
        scene.paint_of(says),
        right,
    )
