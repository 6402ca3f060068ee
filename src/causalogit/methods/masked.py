"""Factual and counterfactual images, bound to a task's fill, masks and generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from causalogit.augment import Counterfactual, box_masks, make_factual, make_fill
from causalogit.config import FillName, LookName
from causalogit.core import MaskedTransform, MetaObjective
from causalogit.methods.base import Task


def factual(task: Task, name: LookName) -> MaskedTransform | None:
    """`(images, masks, labels) -> images`, of the same labels; None for the fill "none"."""
    return None if name == "none" else _bind(task, make_factual(name, **_settings(task)))


def counterfactual(task: Task, name: FillName, *, boxes: bool = False) -> MaskedTransform | None:
    """`(images, masks, labels) -> images` without the object; None for the fill "none".

    Args:
        task: whose images.
        name: of the fill.
        boxes: remove the mask's whole box, so that no silhouette stays.
    """
    if name == "none":
        return None
    fill = make_fill(name, **_settings(task))
    return _bind(task, Counterfactual(fill, box_masks if boxes else None))


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


def _settings(task: Task) -> dict[str, Any]:
    return {"mean": task.data.mean, "model": task.model}


def _bind(task: Task, transform: Callable[..., Tensor]) -> MaskedTransform:
    return lambda images, masks, labels: transform(images, masks, labels, task.generator)
