"""Contextual attention against a loop over every pair of patches."""

from __future__ import annotations

import math

import pytest
import torch

from causalogit.augment.inpainters import contextual_attention
from causalogit.augment.inpainters.attention import known_patches, propagated


def patch(image, row, column, rate):
    """3 x rate pixels of a side, `(C, 3 rate, 3 rate)`, edges repeated."""
    _, height, width = image.shape
    rows = [min(max(row * rate - rate + i, 0), height - 1) for i in range(3 * rate)]
    columns = [min(max(column * rate - rate + i, 0), width - 1) for i in range(3 * rate)]
    return image[:, rows][:, :, columns]


def slow(image, hole, rate, scale):
    """Of one image `(C, H, W)` and its hole `(H, W)`, pair by pair."""
    channels, height, width = image.shape
    rows, columns = height // rate, width // rate
    small = image[:, ::rate, ::rate]
    covered = [
        [
            bool(hole[r * rate : (r + 1) * rate, c * rate : (c + 1) * rate].any())
            for c in range(columns)
        ]
        for r in range(rows)
    ]
    places = [(r, c) for r in range(rows) for c in range(columns)]

    def inside(r, c):
        return 0 <= r < rows and 0 <= c < columns

    def whole(r, c):
        around = [(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        return not any(covered[a][b] for a, b in around if inside(a, b))

    def cosine(here, there):
        if not (inside(*here) and inside(*there)):
            return 0.0
        one, other = (patch(small, *place, 1).flatten() for place in (here, there))
        return float(one @ other / (one.norm() * other.norm()))

    def along_rows(here, there):
        if not (inside(*here) and inside(*there)):
            return 0.0
        return sum(cosine((here[0], here[1] + i), (there[0], there[1] + i)) for i in (-1, 0, 1))

    takes = [p for p in places if whole(*p)] or [p for p in places if not covered[p[0]][p[1]]]
    total = torch.zeros_like(image)
    count = torch.zeros(height, width, dtype=image.dtype)
    for here in places:
        scores = [
            sum(along_rows((here[0] + i, here[1]), (p[0] + i, p[1])) for i in (-1, 0, 1))
            for p in takes
        ]
        shares = [math.exp(scale * (score - max(scores))) for score in scores]
        pasted = sum(
            (
                share / sum(shares) * patch(image, *p, rate)
                for share, p in zip(shares, takes, strict=True)
            ),
            torch.zeros(channels, 3 * rate, 3 * rate, dtype=image.dtype),
        )
        for i in range(3 * rate):
            for j in range(3 * rate):
                r, c = here[0] * rate - rate + i, here[1] * rate - rate + j
                if 0 <= r < height and 0 <= c < width:
                    total[:, r, c] += pasted[:, i, j]
                    count[r, c] += 1
    return total / count


@pytest.mark.parametrize("rate", [1, 2])
@pytest.mark.parametrize("scale", [0.5, 10.0])
def test_it_is_the_loop_over_all_pairs(rate, scale):
    features = torch.randn(4, 3, 6 * rate, 5 * rate, dtype=torch.float64)
    holes = torch.zeros(4, 1, 6 * rate, 5 * rate, dtype=torch.float64)
    holes[0, 0, 2 * rate : 3 * rate, rate : 3 * rate] = 1
    holes[1, 0, 0, 0] = 1
    holes[2, 0, :, 1 : 4 * rate] = 1  # no patch is without a hole, only some centres are
    found = contextual_attention(features, holes, rate=rate, scale=scale)
    for image, hole, own in zip(features, holes, found, strict=True):
        assert torch.allclose(own, slow(image, hole[0], rate, scale), rtol=0, atol=1e-10)


def test_a_texture_goes_on_through_the_hole():
    stripes = torch.zeros(1, 2, 12, 12)
    stripes[:, 0, :, ::3], stripes[:, 1, :, 1::3] = 1, 1
    holes = torch.zeros(1, 1, 12, 12)
    holes[..., 5:8, :4] = 1
    found = contextual_attention(stripes, holes)
    assert torch.allclose(found[..., 3:-3], stripes[..., 3:-3], atol=1e-2)


def test_what_is_in_the_hole_is_never_pasted():
    features = torch.ones(1, 1, 8, 8)
    features[..., 3:6, 3:6] = 100
    holes = (features > 1).float()
    assert torch.allclose(contextual_attention(features, holes), torch.ones(1, 1, 8, 8))


def test_nothing_known_gives_nothing_and_finite_gradients():
    features = torch.randn(2, 3, 4, 4, requires_grad=True)
    found = contextual_attention(features, torch.ones(2, 1, 4, 4))
    assert not found.any()
    found.sum().backward()
    assert torch.isfinite(features.grad).all()


def test_gradients():
    features = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    holes = torch.zeros(1, 1, 4, 3, dtype=torch.float64)
    holes[..., :1, :1] = 1
    assert torch.autograd.gradcheck(lambda f: contextual_attention(f, holes, scale=2.0), features)


def test_scores_are_summed_over_neighbours_of_both_places():
    scores = torch.randn(1, 1, 4, 1, 4)
    summed = propagated(scores)
    for here in range(4):
        for there in range(4):
            expected = sum(
                scores[0, 0, here + i, 0, there + i]
                for i in (-1, 0, 1)
                if 0 <= here + i < 4 and 0 <= there + i < 4
            )
            assert torch.allclose(summed[0, 0, here, 0, there], expected)


def test_a_patch_may_be_taken_where_no_pixel_of_it_is_a_hole():
    holes = torch.zeros(1, 1, 4, 4)
    holes[..., 0, 0] = 1
    assert known_patches(holes).view(4, 4).logical_not().nonzero().tolist() == [
        [0, 0], [0, 1], [1, 0], [1, 1],
    ]  # fmt: skip


def test_the_rate_must_fit():
    with pytest.raises(ValueError, match="features of 5 x 4: the rate 2 must divide both"):
        contextual_attention(torch.zeros(1, 1, 5, 4), torch.zeros(1, 1, 5, 4), rate=2)
