"""The protocol of a method: what happens with a batch, and what the method is allowed to know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from causalogit.config import RunConfig
from causalogit.core import Classifier, processes
from causalogit.data import ALONE, Batch, Data, Part, Split, Stream

Metrics = dict[str, float]
Budget = Literal["A", "B", "C", "O"]

BUDGETS: dict[str, str] = {
    "A": "labels and a small clean meta set, balanced over groups where they are known",
    "B": "A and masks on the meta set",
    "C": "B and masks on the training images",
    "O": "group labels of the training images (an upper bar, not a rival)",
}


@dataclass(frozen=True)
class Task:
    """All that a method is built from.

    Attributes:
        config: the run's config.
        data: the splits.
        model: the classifier, on its device.
        optimizer: of the classifier.
        generator: for the method's own draws (augmentation); checkpointed.
        device: where the model lives.
        part: what this process has of every batch.
        streams: of meta batches; checkpointed.
    """

    config: RunConfig
    data: Data
    model: nn.Module
    optimizer: Optimizer
    generator: torch.Generator
    device: torch.device
    part: Part = ALONE
    streams: list[Stream] = field(default_factory=list)

    def meta_batches(self) -> Iterator[Batch]:
        """Batches of the meta set without end, in the size of the config's `clp`."""
        seed = self.config.seed + 1_000_003 * (1 + len(self.streams))
        size = self.config.clp.meta_batch_size
        self.streams.append(Stream(self.data.meta, size, seed, self.device, self.part))
        return self.streams[-1]

    @cached_property
    def classifier(self) -> Classifier:
        """The classifier, through which batches go in the config's number of pieces."""
        return Classifier(self.model, self.data.num_classes, self.config.optimizer.pieces)

    def log_frequencies(self) -> Tensor:
        """Log of each class's share of the training images, `(C,)`; an empty class counts one."""
        sizes = self.data.class_counts.clamp_min(1).double()
        return (sizes / sizes.sum()).log().float().to(self.device)


class Method(ABC):
    """Trains `task.model`, a batch at a time.

    Subclasses say their name, their information budget and, in a sentence, what they do.

    Attributes:
        parallel: whether batches may be divided, among processes or in pieces.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    budget: ClassVar[Budget]
    parallel: ClassVar[bool] = False

    def __init__(self, task: Task) -> None:
        self.task = task

    def information(self) -> Budget:
        """The budget of this run: a method's own, or more where the config asks for more."""
        return self.budget

    def training_split(self) -> Split:
        """The images that the epochs run over."""
        return self.task.data.train

    def sampling_weights(self) -> Tensor | None:
        """Weights `(N,)` for drawing training images with replacement; None for plain shuffling."""
        return None

    @abstractmethod
    def step(self, batch: Batch) -> Metrics:
        """Learn from a batch; returns named metrics."""

    def end_epoch(self) -> None:  # noqa: B027
        """Called after every epoch."""

    def suspicion(self, batch: Batch) -> Tensor | None:
        """How much the method holds against each label, `(B,)`, more for a wrong one; or None."""
        return None

    def finish(self, model: nn.Module) -> None:  # noqa: B027
        """Called once on the weights that are to be tested, last or selected."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold besides model and optimizer."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027
        """The inverse of `state_dict`."""

    def descend(self, loss: Tensor) -> Metrics:
        """One plain optimizer step on `loss`.

        In several processes it is the whole batch's, with the graph of this process's part.
        """
        optimizer = self.task.optimizer
        optimizer.zero_grad()
        loss.backward()
        processes.sum_gradients(dict(self.task.model.named_parameters()))
        optimizer.step()
        return {"loss/train": loss.item()}


class PlainMethod(Method):
    """`loss` on the batch, after `images` has had its say."""

    parallel = True

    def images(self, batch: Batch) -> Tensor:
        """The images to train on, `(B, K, H, W)`."""
        return batch.images

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of logits `(B, C)`, a scalar: mean cross-entropy."""
        return F.cross_entropy(logits, labels)

    def step(self, batch: Batch) -> Metrics:
        """One step on the loss."""
        return self.descend(self.training_loss(batch))

    def training_loss(self, batch: Batch) -> Tensor:
        """The loss of the whole batch, of which every process may have a part."""
        logits, _ = self.task.classifier(self.images(batch))
        return self.loss(processes.gathered(logits), processes.gathered(batch.labels))


METHODS: dict[str, type[Method]] = {}


def method(cls: type[Method]) -> type[Method]:
    """Register a method under its name."""
    METHODS[cls.name] = cls
    return cls


def build_method(task: Task) -> Method:
    """The method that the config names.

    Raises:
        ValueError: no method has this name, or the data lacks what it needs to know.
    """
    kind = find_method(task.config.method)
    require_known(kind, task.data, task.config.data.source)
    return kind(task)


def require_known(kind: type[Method], data: Data, source: str) -> None:
    """Refuse a method that needs to know more than the data tells.

    Raises:
        ValueError: it does; the message says what to give.
    """
    lack = lacks(kind, data)
    if lack:
        raise ValueError(
            f"method '{kind.name}' needs {lack}, and {source} has none: "
            f"{_REMEDIES[lack]}, or choose a method of budget A (`causalogit methods`)"
        )


_GIVE_MASKS = (
    "give some (a mask column, data.mask_path), or set data.masks to 'centre' for a box in the "
    "middle of every image"
)
_REMEDIES = {
    "masks on the training images": _GIVE_MASKS,
    "masks on the meta images": _GIVE_MASKS,
    "groups": "give some (a group column)",
}


def lacks(kind: type[Method], data: Data) -> str:
    """What a method needs to know and the data does not tell, in words; empty for nothing."""
    if kind.budget == "C" and not data.train.has_masks:
        return "masks on the training images"
    if kind.budget in "BC" and not data.meta.has_masks:
        return "masks on the meta images"
    return "groups" if kind.budget == "O" and len(data.attribute_names) == 1 else ""


def find_method(name: str) -> type[Method]:
    """The class of a method by its name.

    Raises:
        ValueError: no method has this name.
    """
    if name not in METHODS:
        raise ValueError(f"method '{name}' is not known: choose among {', '.join(METHODS)}")
    return METHODS[name]
