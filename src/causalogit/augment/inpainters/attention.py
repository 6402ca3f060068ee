"""Contextual attention: a hole is filled with patches of what is known of the image.

Source: Yu et al., CVPR 2018, "Generative Image Inpainting with Contextual Attention"
(arXiv 1801.07892), section 4.1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def contextual_attention(
    features: Tensor, holes: Tensor, *, rate: int = 1, scale: float = 10.0
) -> Tensor:
    """Make every patch of a feature map anew, out of the patches without a hole.

    Patches of 3 x 3 are compared by their cosine similarity s. That of two patches is propagated:
    summed over their neighbours to the left and right, then above and below, moved alike in both,
    so that areas are copied rather than single pixels. A softmax of `scale` times s over all
    patches without a hole says how much of each is taken, and where patches overlap the mean
    counts. As in the authors' code, and other than in the paper's text, the softmax comes last.
    Where an image has no patch without a hole, patches count whose centre is known; where it has
    none of these, the result is 0.

    Args:
        features: `(B, C, H, W)`.
        holes: `(B, 1, H, W)`, 0 where the image is known.
        rate: patches are compared on every `rate`-th pixel, and pasted at full resolution, at
            3 x `rate` pixels of a side; it divides H and W.
        scale: lambda, how much the best patch outweighs the others.

    Returns:
        Features `(B, C, H, W)`.

    Raises:
        ValueError: the rate does not divide the height or the width.
    """
    height, width = features.shape[2:]
    if height % rate or width % rate:
        raise ValueError(f"features of {height} x {width}: the rate {rate} must divide both")
    rows, columns = height // rate, width // rate
    compared = F.normalize(_patches(features[..., ::rate, ::rate], 1), dim=1)
    scores = compared.transpose(1, 2) @ compared  # (B, L, L): of a place, and of what it may take
    scores = propagated(scores.unflatten(2, (rows, columns)).unflatten(1, (rows, columns)))
    known = known_patches(F.max_pool2d(holes, rate))[:, None]
    scores = (scale * scores.flatten(3).flatten(1, 2)).masked_fill(
        ~known, torch.finfo(scores.dtype).min
    )
    weights = scores.softmax(2) * known
    mixed = _patches(features, rate) @ weights.transpose(1, 2)

    def pasted(patches: Tensor) -> Tensor:
        return F.fold(patches, (height, width), 3 * rate, padding=rate, stride=rate)

    return pasted(mixed) / pasted(torch.ones_like(mixed[:1]))


def propagated(scores: Tensor) -> Tensor:
    """Scores `(B, h, w, h', w')` summed along the rows, then along the columns, of both places."""
    for axis in (2, 1):
        total = scores.clone()
        first, last = slice(None, -1), slice(1, None)
        total[_both(axis, first)] += scores[_both(axis, last)]
        total[_both(axis, last)] += scores[_both(axis, first)]
        scores = total
    return scores


def _both(axis: int, part: slice) -> tuple[slice, ...]:
    """Of the axis and of that of the other place."""
    index = [slice(None)] * 5
    index[axis] = index[axis + 2] = part
    return tuple(index)


def known_patches(holes: Tensor) -> Tensor:
    """Which 3 x 3 patches may be taken, `(B, H * W)` bool; see `contextual_attention`."""
    whole = F.max_pool2d(holes, 3, stride=1, padding=1).flatten(1) == 0
    centre = holes.flatten(1) == 0
    return torch.where(whole.any(1, keepdim=True), whole, centre)


def _patches(features: Tensor, rate: int) -> Tensor:
    """3 x `rate` pixels of a side around every `rate`-th pixel, `(B, C * side**2, L)`."""
    padded = F.pad(features, (rate, rate, rate, rate), mode="replicate")
    return F.unfold(padded, 3 * rate, stride=rate)
