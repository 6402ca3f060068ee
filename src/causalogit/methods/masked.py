"""Factual and counterfactual images, bound to a task's fill, masks and generator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from causalogit.augment import find_inpainter, make_counterfactual, make_factual
from causalogit.augment.inpainters import is_slow
from causalogit.config import FillName, LookName, RunConfig
from causalogit.core import MaskedTransform, MetaObjective
from causalogit.data import Batch
from causalogit.methods.base import Task


def factual(task: Task, name: LookName) -> MaskedTransform | None:
    """`(images, masks, labels) -> images`, of the same labels; None for the fill "none"."""
    if name == "none":
        return None
    settings = fill_settings(name, task.config, task.data.mean, task.model)
    return _bind(task, make_factual(name, **settings))


def counterfactual(task: Task, name: FillName, *, boxes: bool = False) -> MaskedTransform | None:
    """`(images, masks, labels) -> images` without the object; None for the fill "none".

    Args:
        task: whose images.
        name: of the fill.
        boxes: remove the mask's whole box, so that no silhouette stays.

    Raises:
        ValueError: a slow inpainter would have to paint every image anew whenever it is drawn.
    """
    if name == "none":
        return None
    config = task.config
    model = config.clp.inpainter.model or ""
    if name == "inpainter" and is_slow(model) and config.data.transform != "none":
        raise ValueError(
            f"the inpainter {model} is slow and paints every image once, but data.transform is "
            f"'{config.data.transform}', which makes another image of it whenever it is drawn: set "
            "it to 'none', or train an inpainter (causalogit inpainter train)"
        )
    settings = fill_settings(name, config, task.data.mean, task.model)
    return _bind(task, make_counterfactual(name, boxes=boxes, **settings))


def without_object(task: Task) -> Callable[[Batch], Tensor]:
    """Training images without the whole box of their object, filled with `clp.expert_fill`.

    An exact outline would leave its silhouette, from which the label can be read.

    Raises:
        ValueError: the fill is "none", or training images have no masks.
    """
    removed = counterfactual(task, task.config.clp.expert_fill, boxes=True)
    if removed is None:
        raise ValueError(
            "clp.expert_fill is 'none': what takes the objects out of training images needs a "
            "fill, such as 'grey'"
        )
    if not task.data.train.has_masks:
        raise ValueError("no object can be taken out: training images have no masks")
    return lambda batch: removed(batch.images, _masks(batch), batch.labels)


def with_known_background(batch: Batch) -> Tensor:
    """Which images have any, `(B,)`: where nothing is known of an object, all counts as one."""
    return (_masks(batch) < 1).flatten(1).any(1)


def _masks(batch: Batch) -> Tensor:
    assert batch.masks is not None  # `without_object` has refused them
    return batch.masks


def fill_settings(
    name: LookName | FillName, config: RunConfig, mean: Tensor, model: nn.Module
) -> dict[str, Any]:
    """What `make_fill` needs to know for the fill of a run.

    Args:
        name: of the fill.
        config: of the run.
        mean: colour of the training images, `(K,)`.
        model: the classifier.

    Raises:
        ValueError: the inpainter that the config names cannot be had.
    """
    settings = {"mean": mean, "model": model}
    if name != "inpainter":
        return settings
    given = config.clp.inpainter
    inpainter = find_inpainter(
        given.model or "",
        path=None if given.path is None else Path(given.path),
        prompt=given.prompt,
        trust=given.trust,
        kept=Path(given.kept),
    )
    return {**settings, "inpainter": inpainter}


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
    return lambda images, masks, labels: transform(
        images, masks, labels, task.part.draws(task.generator)
    )
