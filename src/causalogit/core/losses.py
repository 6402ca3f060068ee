"""The losses that CLP adds to cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def precise(logits: Tensor) -> Tensor:
    """At least in float32: in half precision a loss of finite logits may overflow."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def counterfactual_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """l_CF = -log(1 - P(y | CF(x))), averaged: "whatever this is, it is not y".

    Computed as a difference of two log-sum-exps, so that it and its gradient stay finite where
    P(y) rounds to 1. Source: arXiv 2505.15246, Eq. 3; Chang et al., CVPR 2021.

    Args:
        logits: `(B, C)` of the counterfactual images, C at least 2.
        labels: `(B,)`, the classes whose object was removed.

    Returns:
        A scalar, at least 0.
    """
    others = logits.masked_fill(F.one_hot(labels, logits.shape[1]).bool(), -torch.inf)
    return (logits.logsumexp(1) - others.logsumexp(1)).mean()


def saliency_penalty(
    log_probabilities: Tensor, images: Tensor, masks: Tensor, labels: Tensor
) -> Tensor:
    """Mean over background pixels of the squared input gradient of log P(y | x), per channel.

    A pixel counts by how much background it is, 1 - mask. Through batch norm in train mode a
    sample's log-probability also depends, weakly, on its neighbours' pixels. Source: Chang et al.,
    CVPR 2021, "Towards Robust Classification Model by Counterfactual and Invariant Data
    Generation".

    Args:
        log_probabilities: `(B, C)`, with a graph that reaches `images`.
        images: `(B, K, H, W)`, with `requires_grad`.
        masks: `(B, 1, H, W)` in [0, 1], 1 on the object.
        labels: `(B,)`.

    Returns:
        A scalar with a graph (double backward); 0 where there is no background at all.
    """
    own = log_probabilities.gather(1, labels[:, None]).sum()
    (gradient,) = torch.autograd.grad(own, images, create_graph=True)
    background = (1 - masks).expand_as(images)
    return (background * gradient**2).sum() / background.sum().clamp_min(1.0)
