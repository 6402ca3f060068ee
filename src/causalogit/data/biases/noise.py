"""Wrong labels, by a transition matrix between classes, as in Meta-Weight-Net's code.

Source: Shu et al. 2019, arXiv 1902.07379; the same matrices as of L2RW, GLC and CLP.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

NoiseKind = Literal["none", "uniform", "flip", "flip2"]


def transition_matrix(
    kind: NoiseKind, rate: float, num_classes: int, generator: torch.Generator
) -> Tensor:
    """Row y holds the chances of the label that an image of class y gets, `(C, C)` float64.

    `uniform`: with chance `rate` any class, its own among them. `flip`: with chance `rate` one
    other class, drawn once for each class. `flip2`: two other classes, with half of it each.

    Raises:
        ValueError: too few classes for the kind.
    """
    eye = torch.eye(num_classes, dtype=torch.float64)
    if kind == "none":
        return eye
    if kind == "uniform":
        return rate / num_classes + (1 - rate) * eye
    others = 1 if kind == "flip" else 2
    if num_classes <= others:
        raise ValueError(f"noise '{kind}' needs more than {others} classes, not {num_classes}")
    matrix = (1 - rate) * eye
    for label in range(num_classes):
        drawn = torch.randperm(num_classes - 1, generator=generator)[:others]
        matrix[label, drawn + (drawn >= label)] = rate / others
    return matrix


def noisy_labels(labels: Tensor, matrix: Tensor, generator: torch.Generator) -> Tensor:
    """Every label drawn anew from its row of the transition matrix: `(N,)` from `(N,)`."""
    return torch.multinomial(matrix[labels], 1, generator=generator).squeeze(1)
