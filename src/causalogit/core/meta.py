"""The meta loss of Sec. 5: clean images, factual images, counterfactual images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.core import processes
from causalogit.core.classifier import Classifier, Parameters
from causalogit.core.inputs import check_meta
from causalogit.core.losses import counterfactual_loss, precise

MaskedTransform = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`(images, masks, labels) -> images`."""

MetaItem = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor | None]
"""Images and labels of a meta batch, and its masks if wanted."""


class MetaBatch(NamedTuple):
    """Images `(M, K, H, W)`, labels `(M,)`, and masks `(M, 1, H, W)` unless no term needs them."""

    images: Tensor
    labels: Tensor
    masks: Tensor | None = None

    def to(self, device: torch.device) -> MetaBatch:
        """The same batch on `device`."""
        masks = None if self.masks is None else self.masks.to(device)
        return MetaBatch(self.images.to(device), self.labels.to(device), masks)


@dataclass(frozen=True)
class MetaObjective:
    """CE on clean images + CE on factual ones + l_CF on counterfactual ones, each with a weight.

    Without `factual` and `counterfactual` this is Meta-LP, the ablation of the paper.

    Args:
        factual: replaces the background, `(images, masks, labels) -> images`; None: no such term.
        counterfactual: removes the object, likewise.
        clean_weight, factual_weight, counterfactual_weight: weights of the three terms.
    """

    factual: MaskedTransform | None = None
    counterfactual: MaskedTransform | None = None
    clean_weight: float = 1.0
    factual_weight: float = 1.0
    counterfactual_weight: float = 1.0

    def images(self, batch: MetaBatch) -> dict[str, Tensor]:
        """The images of every term, by the term's name.

        Raises:
            ValueError: a term needs masks and the batch has none.
        """
        terms = {"clean": batch.images}
        for name, transform in (
            ("factual", self.factual),
            ("counterfactual", self.counterfactual),
        ):
            if transform is None:
                continue
            if batch.masks is None:
                raise ValueError(
                    f"the {name} term of the meta loss needs masks: let the meta loader give "
                    "(images, labels, masks), or leave the term out (Meta-LP)"
                )
            terms[name] = transform(batch.images, batch.masks, batch.labels)
        return terms

    def losses(
        self, logits_of: Callable[[Tensor], Tensor], terms: dict[str, Tensor], labels: Tensor
    ) -> dict[str, Tensor]:
        """Weighted terms by name, from one forward pass over all images together."""
        logits = precise(logits_of(torch.cat(list(terms.values()))))
        parts = dict(zip(terms, logits.split(len(labels)), strict=True))
        weighted = {"clean": self.clean_weight * F.cross_entropy(parts["clean"], labels)}
        if "factual" in parts:
            weighted["factual"] = self.factual_weight * F.cross_entropy(parts["factual"], labels)
        if "counterfactual" in parts:
            loss = counterfactual_loss(parts["counterfactual"], labels)
            weighted["counterfactual"] = self.counterfactual_weight * loss
        return weighted


@dataclass
class MetaBatchLoss:
    """The meta loss of one batch, as Eq. 9 asks for it: a function of the classifier's parameters.

    A call leaves running statistics and random state alone.

    Attributes:
        terms: the images of every term, see `MetaObjective.images`.
        parts: the weighted terms at the parameters of the last call, by name.
    """

    classifier: Classifier
    objective: MetaObjective
    terms: dict[str, Tensor]
    labels: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, parameters: Parameters) -> Tensor:
        """The scalar meta loss at other parameters; those missing stay the classifier's own."""
        with self.classifier.random_state_kept():
            self.parts = self.objective.losses(
                lambda images: self.classifier.probe(parameters, images), self.terms, self.labels
            )
        return torch.stack(list(self.parts.values())).sum()


class MetaStream:
    """Meta losses of one batch after the other, whose loader and transforms draw apart.

    Attributes:
        random: the state of their own random stream, None before the first batch.
    """

    def __init__(
        self, batches: Iterable[MetaItem], objective: MetaObjective, classifier: Classifier
    ) -> None:
        self.loader, self.objective, self.classifier = batches, objective, classifier
        self.batches = endless(batches)
        self.random: list[Tensor] | None = None

    def draw(self) -> MetaBatchLoss:
        """That of the next batch; the global random state stays plain training's."""
        with self._draws_of_its_own():
            device = self.classifier.head.weight.device
            batch = self._next().to(device)
            processes.check_alike(len(batch.images), device, "meta batch")
            return MetaBatchLoss(
                self.classifier, self.objective, self.objective.images(batch), batch.labels
            )

    def _next(self) -> MetaBatch:
        try:
            batch = next(self.batches)
        except ValueError:
            self.batches = endless(self.loader)  # who goes on is told the same once more
            raise
        check_meta(batch, self.classifier.num_classes)
        images, labels, *masks = batch
        return MetaBatch(images, labels, masks[0] if masks else None)

    @contextmanager
    def _draws_of_its_own(self) -> Iterator[None]:
        with self.classifier.random_state_kept():
            if self.random is not None:
                self.classifier.set_random_states(self.random)
            yield
            self.random = self.classifier.random_states()


def endless(batches: Iterable[MetaItem]) -> Iterator[MetaItem]:
    """Meta batches as they come, begun anew whenever they end.

    Raises:
        ValueError: there is none.
    """
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise ValueError(
                "the meta loader gave no batch: it is empty, or an iterator that can be gone "
                "through only once; give a DataLoader or a list with at least one meta image"
            )
