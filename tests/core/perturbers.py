"""A perturbed small net, and the meta batches and transforms that it is given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from causalogit.core import CausalLogitPerturbation, PerturbationNetwork, Solver

from .nets import MakeOptimizer, batch


def keep(images: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
    return masks * images


def remove(images: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
    return (1 - masks) * images


def masks_for(images: Tensor) -> Tensor:
    """The left part is the object."""
    masks = torch.zeros_like(images[:, :1])
    masks[..., :2] = 1
    return masks


def said_of(labels: Tensor) -> Tensor:
    """Log-probabilities that are nearly right."""
    return (4 * torch.nn.functional.one_hot(labels.roll(1), 3).double()).log_softmax(1).float()


def meta_batches(count: int = 2) -> list[tuple[Tensor, Tensor, Tensor]]:
    pairs = [batch(5, seed=100 + i) for i in range(count)]
    return [(images, labels, masks_for(images)) for images, labels in pairs]


def perturber(
    model: nn.Module,
    make: MakeOptimizer,
    solver: Solver = "exact",
    form: str = "vector",
    **more: Any,
) -> CausalLogitPerturbation:
    return CausalLogitPerturbation(
        model,
        make(model),
        meta_batches(),
        3,
        factual=keep,
        counterfactual=remove,
        network=PerturbationNetwork(10, 3, form),
        solver=solver,
        **more,
    )
