"""Attention maps for the report: by the method that suits the size of the images."""

from __future__ import annotations

import torch
from torch import Tensor

from causalogit.evaluate.attention import AttentionMethod, attention_maps
from causalogit.train.load import LoadedRun

_LARGE = 96  # pixels of a side from which occlusion takes too many passes
_PLACES = 28  # of the hidden square along a side, where a map is to be looked at


def attention_method(run: LoadedRun) -> AttentionMethod:
    """Occlusion of small images; Grad-CAM of large ones, where the model has a convolution."""
    if min(run.data.test.images.shape[1:]) < _LARGE:
        return "occlusion"
    try:
        few = run.data.test.batch(torch.arange(1)).images
        attention_maps(run.model, few, torch.zeros(1, dtype=torch.long), "grad_cam")
    except ValueError:
        return "occlusion"
    return "grad_cam"


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
