"""Attention maps for the report: by the method that suits the size of the images."""

from __future__ import annotations

import torch
from torch import Tensor

from causalogit.evaluate.attention import AttentionMethod, attention_maps, suitable_method
from causalogit.train.load import LoadedRun

_PLACES = 28  # of the hidden square along a side, where a map is to be looked at


def attention_method(run: LoadedRun) -> AttentionMethod:
    """The method that suits the run's images and model."""
    return suitable_method(run.model, run.data.test.batch(torch.arange(1)).images)


def see(run: LoadedRun, images: Tensor, answers: Tensor, *, fine: bool = False) -> Tensor:
    """Maps `(B, H, W)` in [0, 1] of what spoke for `answers` `(B,)`.

    Args:
        run: whose classifier.
        images: `(B, K, H, W)`.
        answers: the classifier's own.
        fine: for the eye: the hidden square takes smaller steps.
    """
    stride = max(1, min(images.shape[2:]) // _PLACES) if fine else None
    how = attention_method(run)
    return attention_maps(run.model, images, answers, how, fill=run.data.mean, stride=stride)
