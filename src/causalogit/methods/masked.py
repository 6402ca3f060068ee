"""Factual and counterfactual images, bound to a task's fill, masks and generator."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from causalogit.augment import Counterfactual, Factual, Fill, box_masks, make_fill
from causalogit.config import FillName
from causalogit.core import MaskedTransform, MetaObjective
from causalogit.methods.base import Task


def fill_of(task: Task, name: FillName) -> Fill:
    """The fill of this name for the task's images."""
    return make_fill(name, mean=task.data.mean, model=task.model)


def factual(task: Task, name: FillName) -> MaskedTransform | None:
    """`(images, masks, labels) -> images` with a new background; None for the fill "none"."""
    return None if name == "none" else _bind(task, Factual(fill_of(task, name)))


def counterfactual(task: Task, name: FillName, *, boxes: bool = False) -> MaskedTransform | None:
    """`(images, masks, labels) -> images` without the object; None for the fill "none".

    Args:
        task: whose images.
        name: of the fill.
        boxes: remove the mask's whole box, so that no silhouette stays.
    """
    if name == "none":
        return None
    return _bind(task, Counterfactual(fill_of(task, name), box_masks if boxes else None))


def meta_objective(task: Task) -> MetaObjective:
    """CLP's meta loss with the fills and weights of the task's config."""
    config = task.config.clp
    return MetaObjective(
        factual(task, config.factual),
        counterfactual(task, config.counterfactual),
        config.clean_weight,
        config.factual_weight,
        config.counterfactual_weight,
    )


def _bind(task: Task, transform: Callable[..., Tensor]) -> MaskedTransform:
    return lambda images, masks, labels: transform(images, masks, labels, task.generator)
