"""What was trained on what: splits, the bias, and the images that augmentation makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from causalogit.augment import RESTYLES, make_counterfactual, make_factual
from causalogit.config import FillName, LookName
from causalogit.data import Batch, Split
from causalogit.methods.clp import Clp, MetaLp
from causalogit.methods.dfr import DfrAugmented
from causalogit.methods.erm import ErmMetaAugmented
from causalogit.methods.fixed import ProductOfExperts
from causalogit.methods.masked import fill_settings
from causalogit.report.lineup import Entry
from causalogit.report.pictures import picture
from causalogit.report.scene import Scene
from causalogit.train.load import LoadedRun

_PURPOSE = {
    "train": "the classifier learns from it",
    "meta": "CLP's second network and some controls learn from it",
    "validation": "picks the selected epoch",
    "test": "every result in this report",
}


@dataclass(frozen=True)
class Part:
    """One split.

    Attributes:
        name, size, purpose: of the split.
        agreeing: images whose attribute is the usual one of their class; None without attributes.
        wrong: labels that are wrong.
        origin: where its images came from.
    """

    name: str
    size: int
    agreeing: float | None
    wrong: float
    purpose: str
    origin: str


@dataclass(frozen=True)
class Picture:
    """An image with its caption, and the name of its class."""

    uri: str
    alt: str
    caption: str
    name: str


@dataclass(frozen=True)
class Strip:
    """A row of images and what they are."""

    title: str
    note: str
    pictures: list[Picture]


def parts(run: LoadedRun, scene: Scene) -> list[Part]:
    """Size, bias and origin of every split."""
    found = []
    for name, usually in _PURPOSE.items():
        split: Split = getattr(run.data, name)
        agreeing = scene.agrees(split).double().mean().item() if scene.has_attributes else None
        wrong = split.wrong.double().mean().item()
        clean = name == "meta" and not wrong
        purpose = usually.replace("small;", "small and clean;") if clean else usually
        origin = run.data.origins.get(name, "")
        found.append(Part(name, len(split), agreeing, wrong, purpose, origin))
    return found


def training_strips(run: LoadedRun, scene: Scene) -> list[Strip]:
    """The first training image of every class that is shown, for each kind of training image.

    With attributes these are the images with the usual one, and all others; with wrong labels,
    images with right and with wrong ones.
    """
    train = run.data.train
    every = torch.ones(len(train), dtype=torch.bool)
    kinds: list[tuple[str, Tensor]] = [("one image of every class", every)]
    if scene.has_attributes:
        agrees = scene.agrees(train)
        kinds = [
            (f"{scene.attribute} and class agree", agrees),
            (f"{scene.attribute} and class disagree", ~agrees),
        ]
    elif train.wrong.any():
        kinds = [("the label is right", ~train.wrong), ("the label is wrong", train.wrong)]
    strips = []
    for note, wanted in kinds:
        share = wanted.double().mean().item()
        title = "Training images" if share == 1 else f"{share:.0%} of the training images"
        strips.append(
            Strip(title, _of_many(note, scene), list(_first_of_each(train, wanted, scene)))
        )
    return [strip for strip in strips if strip.pictures]


def _of_many(note: str, scene: Scene) -> str:
    """The note, and how many classes are shown where not all are."""
    if len(scene.shown) == len(scene.classes):
        return note
    return f"{note}; {len(scene.shown)} of {len(scene.classes)} classes".lstrip("; ")


def _first_of_each(split: Split, wanted: Tensor, scene: Scene) -> Iterator[Picture]:
    attributes = scene.attribute_of(split)
    for label in scene.shown:
        for index in (wanted & (split.labels == label)).nonzero().squeeze(1)[:1].tolist():
            said = caption = scene.named(label, int(attributes[index]))
            if scene.has_attributes:
                caption = f"{scene.classes[label]}, {scene.attributes[attributes[index]]}"
            truth = in_truth(split, index, scene)
            alt = f"Training image: {scene.object} {said}{truth}."
            image = split.batch(torch.tensor([index])).images[0]
            yield Picture(picture(image), alt, caption + truth, scene.classes[label])


def in_truth(split: Split, index: int, scene: Scene) -> str:
    """What an image with a wrong label is, as the end of its caption; empty for a right one."""
    if split.true_labels is None or not split.wrong[index]:
        return ""
    return f"; in truth {scene.classes[split.true_labels[index]]}"


def augmentation_strips(entries: Sequence[Entry], scene: Scene) -> list[list[Strip]]:
    """Meta and training images, one of each class, after every augmentation that an entry uses.

    One list a split, which begins with the images as they are. The draws are the report's own
    (seed 0): examples of what was made, not the very images.
    """
    uses: dict[tuple[str, str, LookName | FillName], list[Entry]] = {}
    for entry in entries:
        for use in _uses(entry):
            uses.setdefault(use, []).append(entry)
    strips: dict[str, list[Strip]] = {}
    for (name, kind, fill), users in sorted(uses.items(), key=lambda use: use[0][0]):
        split: Split = getattr(entries[0].runs[0].data, name)
        if not split.has_masks:
            continue
        batch = split.batch(_one_of_each(split, scene.shown))
        images = "Training images" if name == "train" else "Meta images"
        plain = _strip(f"{images}, as they are", _of_many("", scene), batch.images, batch, scene)
        made = _augmented(users[0].runs[0], batch, kind, fill)
        word, note = _KINDS[kind]
        note += f" Used by {', '.join(user.title for user in users)}."
        strip = _strip(f"{images}, {word}: {fill}", note, made, batch, scene)
        strips.setdefault(name, [plain]).append(strip)
    return list(strips.values())


_KINDS = {
    "factual": ("factual", "The background is replaced, the label stays."),
    "restyled": ("factual", "The object gets another look, the label stays."),
    "counterfactual": (
        "counterfactual",
        "The object is removed: whatever this is, it is not its old class.",
    ),
    "expert": (
        "without the object",
        "The object's whole box is removed: what the spurious expert sees.",
    ),
}


def _uses(entry: Entry) -> Iterator[tuple[str, str, LookName | FillName]]:
    """`(split, kind, fill)` of every augmentation that a method makes."""
    config, method = entry.runs[0].config, entry.method
    if method is None:
        return
    clp = config.clp
    whole_loss = issubclass(method, Clp | ErmMetaAugmented) and not issubclass(method, MetaLp)
    if clp.factual != "none" and (whole_loss or issubclass(method, DfrAugmented)):
        yield "meta", _factual_kind(clp.factual), clp.factual
    if clp.counterfactual != "none" and whole_loss:
        yield "meta", "counterfactual", clp.counterfactual
    if entry.augments:
        yield "train", _factual_kind(config.controls.train_fill), config.controls.train_fill
    of_its_own = issubclass(method, Clp) and method.expert_of(clp) not in (None, "frequency")
    if of_its_own or issubclass(method, ProductOfExperts):
        yield "train", "expert", clp.expert_fill


def _factual_kind(fill: LookName) -> str:
    return "restyled" if fill in RESTYLES else "factual"


def _augmented(run: LoadedRun, batch: Batch, kind: str, fill: LookName | FillName) -> Tensor:
    if batch.masks is None:
        return batch.images
    settings = fill_settings(fill, run.config, run.data.mean, run.model)
    transform: Callable[..., Tensor]
    if kind in ("factual", "restyled"):
        transform = make_factual(fill, **settings)
    else:
        transform = make_counterfactual(fill, boxes=kind == "expert", **settings)
    generator = torch.Generator().manual_seed(0)
    return transform(batch.images, batch.masks, batch.labels, generator).detach()


def _one_of_each(split: Split, classes: Sequence[int]) -> Tensor:
    firsts = [(split.labels == label).nonzero().squeeze(1)[:1] for label in classes]
    return torch.cat(firsts)


def _strip(title: str, note: str, images: Tensor, batch: Batch, scene: Scene) -> Strip:
    names = [scene.classes[label] for label in batch.labels.tolist()]
    return Strip(
        title,
        note,
        [
            Picture(picture(image), f"{title}: an image of class {name}.", name, name)
            for image, name in zip(images, names, strict=True)
        ],
    )
