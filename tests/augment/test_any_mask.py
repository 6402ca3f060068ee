"""Every fill in every blend, on images from one pixel on: what the mask leaves out stays."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from causalogit.augment import FILLS, INPAINTERS, box_masks, make_counterfactual, make_factual
from causalogit.augment.inpainters import covering_masks
from causalogit.masks.quality import box_of, quality_of

from .test_images import bits
from .test_registry import build

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
KINDS = ["zero", "one", "soft", "one pixel", "hard"]


def masks_of(kind: str, count: int, size: tuple[int, int], seed: int) -> Tensor:
    values = torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(seed))
    if kind == "hard":
        return (values > 0.5).float()
    if kind == "one pixel":
        return (values == values.flatten(1).amax(1)[:, None, None, None]).float()
    return {"zero": torch.zeros_like(values), "one": torch.ones_like(values)}.get(kind, values)


@given(
    name=st.sampled_from(sorted(FILLS)),
    kind=st.sampled_from(KINDS),
    count=st.sampled_from([1, 3]),
    channels=st.sampled_from([1, 3]),
    size=SIZES,
    seed=st.integers(0, 2**32),
)
@settings(max_examples=120)
def test_blends_leave_the_rest_bit_for_bit(
    name: str, kind: str, count: int, channels: int, size: tuple[int, int], seed: int
) -> None:
    images = torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(seed))
    masks = masks_of(kind, count, size, seed + 1)
    labels = torch.arange(count) % 2
    plain = build(name, images)
    settings_ = {"model": getattr(plain, "model", None), "inpainter": plain}
    makers = [make_counterfactual] if name in INPAINTERS else [make_counterfactual, make_factual]
    for make in makers:
        blend = make(name, **settings_)
        result = blend(images, masks, labels, torch.Generator().manual_seed(7))
        assert result.shape == images.shape
        assert ((result >= 0) & (result <= 1)).all()
        seen = masks if blend.masks is None else blend.masks(masks)
        fill = blend.fill(images, seen, labels, torch.Generator().manual_seed(7))
        takes_object = type(blend).__name__ != "Factual"
        kept = (seen == (0 if takes_object else 1)).expand_as(images)
        filled = (seen == (1 if takes_object else 0)).expand_as(images)
        assert torch.equal(bits(result)[kept], bits(images)[kept])
        assert torch.equal(bits(result)[filled], bits(fill)[filled])


@given(kind=st.sampled_from(KINDS), size=SIZES, seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_masks_of_every_kind_have_a_quality_a_box_and_a_cover(
    kind: str, size: tuple[int, int], seed: int
) -> None:
    masks = masks_of(kind, 1, size, seed)
    quality = quality_of(masks[0, 0])
    assert all(0 <= v <= 1 for v in (quality.area, quality.confidence, quality.border))
    assert 0 <= quality.sides <= 4
    assert ("empty" in quality.flags) == (not (masks > 0.5).any())
    box = box_of(masks[0, 0])
    assert ((box >= 0) & (box <= 1)).all()
    assert (box[2:] >= box[:2]).all()
    assert (box_masks(masks) >= (masks > 0.5)).all()
    assert (covering_masks(masks) >= (masks > 0)).all()


@given(
    given_=st.tuples(st.integers(1, 4), st.integers(1, 3), *[st.integers(1, 5)] * 2),
    fill=st.sampled_from(["grey", "tile", "smooth"]),
)
@settings(max_examples=30)
def test_masks_of_another_size_are_refused(given_: tuple[int, ...], fill: str) -> None:
    if given_ == (2, 1, 4, 5):
        return
    images = torch.rand(2, 3, 4, 5)
    with pytest.raises(ValueError, match="give one mask an image, resized like its image"):
        make_counterfactual(fill)(
            images, torch.zeros(given_), torch.zeros(2), torch.Generator().manual_seed(0)
        )
