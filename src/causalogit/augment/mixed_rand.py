"""The Mixed-Rand fill: the background of another image."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from causalogit.augment.fills import Fill, RandomColour, uniform
from causalogit.augment.images import counterfactual
from causalogit.augment.tile import Tile


@dataclass(frozen=True)
class MixedRand:
    """The background of a random image of another class of the batch, its object removed.

    Each image draws uniformly, and with replacement, among the batch's images of other classes.
    Source: arXiv 2505.15246 (metadata augmentation); Chang et al., CVPR 2021. Where there are two
    classes and each has its own background, all backgrounds are then those of the wrong class: a
    classifier learns them just as well. With `any_class` they are independent of the class, as in
    the Mixed-Rand images of Xiao et al. 2021 (arXiv 2006.09994).

    Attributes:
        background: What takes the place of the other image's own object.
        fallback: Fills the images when the whole batch is of one class. It draws in any case, so
            that the generator moves on by the same amount for every batch of one size.
        any_class: Draw among all images of the batch.
    """

    background: Fill = field(default_factory=Tile)
    fallback: Fill = field(default_factory=RandomColour)
    any_class: bool = False

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images; see `Fill`.

        Raises:
            ValueError: Masks that `check_masks` refuses, or labels that are not `(B,)`.
        """
        batch = len(images)
        if labels.shape != (batch,):
            raise ValueError(
                f"labels have shape {tuple(labels.shape)}; give one class index for each of the "
                f"{batch} images, shape {(batch,)}"
            )
        removed = self.background(images, masks, labels, generator)
        backgrounds = counterfactual(images, masks, removed)
        fallback = self.fallback(images, masks, labels, generator)

        others = ((labels[:, None] != labels) | self.any_class).to(images.device)
        scores = uniform((batch, batch), generator).to(images.device)
        donors = scores.masked_fill(~others, -1.0).argmax(1)
        return torch.where(others.any(1)[:, None, None, None], backgrounds[donors], fallback)
