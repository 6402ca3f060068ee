"""What was trained on what: splits, the bias, and the images that augmentation makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from causalogit.augment import Counterfactual, Factual, box_masks, make_fill
from causalogit.config import FillName
from causalogit.data import Batch, Split
from causalogit.methods.clp import Clp, MetaLp
from causalogit.methods.dfr import DfrAugmented
from causalogit.methods.erm import ErmMetaAugmented
from causalogit.methods.product import ProductOfExperts
from causalogit.report.lineup import Entry
from causalogit.report.pictures import picture
from causalogit.report.scene import Scene
from causalogit.train.load import LoadedRun

_PURPOSE = {
    "train": "the classifier learns from it",
    "meta": "small and clean; CLP's second network and some controls learn from it",
    "validation": "picks the selected epoch",
    "test": "every result in this report",
}


@dataclass(frozen=True)
class Part:
    """One split."""

    name: str
    size: int
    agreeing: float
    purpose: str


@dataclass(frozen=True)
class Picture:
    """An image with its caption."""

    uri: str
    alt: str
    caption: str
    paint: str = ""


@dataclass(frozen=True)
class Strip:
    """A row of images and what they are."""

    title: str
    note: str
    pictures: list[Picture]


def parts(run: LoadedRun, scene: Scene) -> list[Part]:
    """Sizes of the splits, and in which share of each the background agrees with the class."""
    splits = {name: getattr(run.data, name) for name in _PURPOSE}
    return [
        Part(name, len(split), scene.agrees(split).double().mean().item(), _PURPOSE[name])
        for name, split in splits.items()
    ]


def training_strips(run: LoadedRun, scene: Scene) -> list[Strip]:
    """The first training image of every class on its own background, and on any other."""
    train = run.data.train
    agrees = scene.agrees(train)
    share = agrees.double().mean().item()
    kinds = (
        (f"{share:.0%} of the training images", "background and class agree", agrees),
        (f"{1 - share:.0%} of the training images", "background and class disagree", ~agrees),
    )
    return [
        strip
        for title, note, wanted in kinds
        if (strip := Strip(title, note, list(_first_of_each(train, wanted, scene)))).pictures
    ]


def _first_of_each(split: Split, wanted: Tensor, scene: Scene) -> Iterator[Picture]:
    for label, name in enumerate(scene.classes):
        for index in (wanted & (split.labels == label)).nonzero().squeeze(1)[:1].tolist():
            background = scene.background(split)[index]
            caption = f"{name}, {scene.backgrounds[background]}"
            alt = f"Training image: {scene.object} {name} on {scene.backgrounds[background]}."
            image = split.batch(torch.tensor([index])).images[0]
            yield Picture(picture(image), alt, caption, scene.paints[background])


def augmentation_strips(entries: Sequence[Entry], scene: Scene) -> list[list[Strip]]:
    """Meta and training images, one of each class, after every augmentation that an entry uses.

    One list a split, which begins with the images as they are. The draws are the report's own
    (seed 0): examples of what was made, not the very images.
    """
    uses: dict[tuple[str, str, FillName], list[Entry]] = {}
    for entry in entries:
        for use in _uses(entry):
            uses.setdefault(use, []).append(entry)
    strips: dict[str, list[Strip]] = {}
    for (name, kind, fill), users in sorted(uses.items(), key=lambda use: use[0][0]):
        split: Split = getattr(entries[0].runs[0].data, name)
        if not split.has_masks:
            continue
        batch = split.batch(_one_of_each(split, len(scene.classes)))
        images = "Training images" if name == "train" else "Meta images"
        plain = _strip(f"{images}, as they are", "", batch.images, batch, scene)
        made = _augmented(users[0].runs[0], batch, kind, fill)
        word, note = _KINDS[kind]
        note += f" Used by {', '.join(user.title for user in users)}."
        strip = _strip(f"{images}, {word}: {fill}", note, made, batch, scene)
        strips.setdefault(name, [plain]).append(strip)
    return list(strips.values())


_KINDS = {
    "factual": ("factual", "The background is replaced, the label stays."),
    "counterfactual": (
        "counterfactual",
        "The object is removed: whatever this is, it is not its old class.",
    ),
    "expert": (
        "without the object",
        "The object's whole box is removed: what the spurious expert sees.",
    ),
}


def _uses(entry: Entry) -> Iterator[tuple[str, str, FillName]]:
    """`(split, kind, fill)` of every augmentation that a method makes."""
    config, method = entry.runs[0].config, entry.method
    if method is None:
        return
    clp = config.clp
    whole_loss = issubclass(method, Clp | ErmMetaAugmented) and not issubclass(method, MetaLp)
    if clp.factual != "none" and (whole_loss or issubclass(method, DfrAugmented)):
        yield "meta", "factual", clp.factual
    if clp.counterfactual != "none" and whole_loss:
        yield "meta", "counterfactual", clp.counterfactual
    if entry.new_backgrounds:
        yield "train", "factual", config.controls.train_fill
    if entry.form == "expert" or issubclass(method, ProductOfExperts):
        yield "train", "expert", clp.expert_fill


def _augmented(run: LoadedRun, batch: Batch, kind: str, fill: FillName) -> Tensor:
    made = make_fill(fill, mean=run.data.mean, model=run.model)
    if kind == "factual":
        transform: Factual | Counterfactual = Factual(made)
    else:
        transform = Counterfactual(made, box_masks if kind == "expert" else None)
    if batch.masks is None:
        return batch.images
    generator = torch.Generator().manual_seed(0)
    return transform(batch.images, batch.masks, batch.labels, generator).detach()


def _one_of_each(split: Split, classes: int) -> Tensor:
    firsts = [(split.labels == label).nonzero().squeeze(1)[:1] for label in range(classes)]
    return torch.cat(firsts)


def _strip(title: str, note: str, images: Tensor, batch: Batch, scene: Scene) -> Strip:
    names = [scene.classes[label] for label in batch.labels.tolist()]
    return Strip(
        title,
        note,
        [
            Picture(picture(image), f"{title}: an image of class {name}.", name)
            for image, name in zip(images, names, strict=True)
        ],
    )
