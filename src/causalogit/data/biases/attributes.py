"""A spurious attribute: which image gets which, by correlation or by a long tail in each class."""

from __future__ import annotations

import torch
from torch import Tensor


def assign_attributes(
    labels: Tensor, attributes: int, correlation: float, generator: torch.Generator
) -> Tensor:
    """Give every sample one of `attributes`, equal to its class in a share `correlation` of it.

    The counts are exact, not drawn: of a class with n images, round(correlation * n) agree, and the
    others are spread over the remaining attributes as evenly as whole numbers allow (which of them
    get one more rotates with the class). `correlation = 1 / attributes` is the balanced case.

    Args:
        labels: `(N,)`, below `attributes`.
        attributes: how many there are.
        correlation: in [0, 1].
        generator: decides which samples get which.

    Returns:
        `(N,)`.
    """
    assigned = torch.empty_like(labels)
    for label in labels.unique().tolist():
        own = torch.nonzero(labels == label).squeeze(1)
        own = own[torch.randperm(len(own), generator=generator)]
        agreeing = round(correlation * len(own))
        rest = torch.arange(len(own) - agreeing) % max(1, attributes - 1)
        assigned[own[:agreeing]] = label
        assigned[own[agreeing:]] = (label + 1 + rest) % attributes
    return assigned


def long_tailed_attributes(
    labels: Tensor, attributes: int, ratio: float, generator: torch.Generator
) -> Tensor:
    """Give every sample one of `attributes`, in an exponential profile inside of each class.

    The attribute-wise imbalance of generalized long tail (Tang et al. 2022, arXiv 2207.09504): in
    class c, attribute c is the most common and the one before it (cyclically) is `ratio` times
    rarer. The counts are exact: shares times the class's size, by largest remainder.

    Args:
        labels: `(N,)`, below `attributes`.
        attributes: how many there are, at least 2.
        ratio: most common over rarest, at least 1.
        generator: decides which samples get which.

    Returns:
        `(N,)`.
    """
    shares = ratio ** (-torch.arange(attributes, dtype=torch.float64) / (attributes - 1))
    shares /= shares.sum()
    assigned = torch.empty_like(labels)
    for label in labels.unique().tolist():
        own = torch.nonzero(labels == label).squeeze(1)
        own = own[torch.randperm(len(own), generator=generator)]
        exact = shares * len(own)
        counts = exact.floor().long()
        counts[(counts - exact).argsort(stable=True)[: len(own) - int(counts.sum())]] += 1
        assigned[own] = (label + torch.arange(attributes).repeat_interleave(counts)) % attributes
    return assigned
