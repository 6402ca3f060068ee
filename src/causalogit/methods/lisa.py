"""LISA: mixtures that keep the label or the background, and change the other."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from causalogit.data import Batch
from causalogit.methods.base import Budget, Method, Metrics, Task, method
from causalogit.methods.mixup import mixed_loss, mixing_shares


class Partners:
    """Finds partners to mix with among N images.

    Args:
        labels: `(N,)`.
        attributes: `(N,)`, such as the background.
        num_attributes: A.

    Attributes:
        cells: label * A + attribute, `(N,)`.
        counts: images in each cell.
    """

    def __init__(self, labels: Tensor, attributes: Tensor, num_attributes: int) -> None:
        self.num_attributes = num_attributes
        self.cells = labels * num_attributes + attributes
        self.counts = torch.bincount(self.cells)
        self._order = self.cells.argsort(stable=True)
        self._starts = self.counts.cumsum(0) - self.counts

    def draw(self, anchors: Tensor, same_label: bool, generator: torch.Generator) -> Tensor:
        """Partners `(B,)` of the images `anchors` `(B,)`.

        A partner has the same label and another attribute, or, where `same_label` is off, the same
        attribute and another label. Its cell is drawn first, each alike; then the image. An image
        that has no such partner is its own.
        """
        own, cells = self.cells[anchors][:, None], torch.arange(len(self.counts))
        label = own // self.num_attributes == cells // self.num_attributes
        attribute = own % self.num_attributes == cells % self.num_attributes
        fits = (label & ~attribute if same_label else attribute & ~label) & (self.counts > 0)
        alone = ~fits.any(1)
        fits |= alone[:, None] & (cells == own)
        chosen = torch.multinomial(fits.double(), 1, generator=generator).squeeze(1)
        uniform = torch.rand(len(anchors), dtype=torch.float64, generator=generator)
        places = self._starts[chosen] + (uniform * self.counts[chosen]).long()
        return torch.where(alone, anchors, self._order[places])


@method
class Lisa(Method):
    """Mixes images of one label and two backgrounds, or of one background and two labels.

    LISA (Yao et al. 2022, arXiv 2201.00299), with mixup. Which of the two is drawn once a batch,
    the share of the mixture for each image from Beta(2, 2). Groups are drawn equally often, as in
    the authors' code, and so are the groups of the partners. A group is an image's label, as
    training sees it, with its attribute.
    """

    name = "lisa"
    title = "LISA"
    budget: ClassVar[Budget] = "O"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        train, num_attributes = task.data.train, task.data.num_groups // task.data.num_classes
        self.partners = Partners(train.labels, train.groups % num_attributes, num_attributes)

    def sampling_weights(self) -> Tensor:
        """One over the size of each image's group."""
        return 1 / self.partners.counts[self.partners.cells].double()

    def step(self, batch: Batch) -> Metrics:
        """One step on the batch, mixed with its partners."""
        task, controls = self.task, self.task.config.controls
        same_label = torch.rand((), generator=task.generator).item() < controls.lisa_same_label
        places = self.partners.draw(batch.indices.cpu(), same_label, task.generator)
        partners = task.data.train.batch(places, task.generator).to(task.device)
        alpha = 2.0 if controls.mixup_alpha is None else controls.mixup_alpha
        shares = mixing_shares(alpha, len(places), task.generator).to(task.device)
        return self.descend(mixed_loss(task.model, batch, partners, shares))
