"""The two blends, bit for bit, and the transforms built on them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from causalogit.augment import (
    Counterfactual,
    Factual,
    Grey,
    MaskTransform,
    box_masks,
    counterfactual,
    dilate_masks,
    factual,
)

BITS = {torch.float16: torch.int16, torch.float32: torch.int32, torch.float64: torch.int64}


def bits(values: Tensor) -> Tensor:
    """What `torch.equal` overlooks: -0.0 is not 0.0, NaN is itself."""
    return values.contiguous().view(BITS[values.dtype])


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), shape=st.tuples(*[st.integers(1, 4)] * 4))
def test_blends_agree_with_the_formula_pixel_by_pixel(
    seed: int, shape: tuple[int, int, int, int]
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, fill = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    r = torch.rand((shape[0], *shape[2:]), generator=generator, dtype=torch.float64)
    r = (1.5 * r - 0.25).clamp(0, 1)  # about a third of the pixels at 0 or 1
    removed, kept = counterfactual(x, r, fill), factual(x, r, fill)
    for b, c, i, j in torch.cartesian_prod(*map(torch.arange, shape)).reshape(-1, 4).tolist():
        weight, own, other = r[b, i, j].item(), x[b, c, i, j].item(), fill[b, c, i, j].item()
        expected = (1 - weight) * own + weight * other
        assert removed[b, c, i, j].item() == pytest.approx(expected, abs=1e-14)
        assert kept[b, c, i, j].item() == pytest.approx(own + other - expected, abs=1e-14)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from(list(BITS)),
)
def test_where_the_mask_is_hard_the_blend_is_a_copy(
    seed: int, channels: int, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(seed)
    pool = torch.tensor([-0.0, 0.0, 1.0, -2.5, 1 / 3, float("nan"), float("inf")], dtype=dtype)
    x, fill = pool[torch.randint(len(pool), (2, 3, channels, 4, 5), generator=generator)]
    r = torch.randint(3, (3, 1, 4, 5), generator=generator).to(dtype) / 2
    outside, inside = (r == 0).expand_as(x), (r == 1).expand_as(x)
    removed, kept = counterfactual(x, r, fill), factual(x, r, fill)
    assert torch.equal(bits(removed)[outside], bits(x)[outside])
    assert torch.equal(bits(removed)[inside], bits(fill)[inside])
    assert torch.equal(bits(kept)[outside], bits(fill)[outside])
    assert torch.equal(bits(kept)[inside], bits(x)[inside])


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 2, 5), (4, 1, 5, 2)])
def test_empty_and_full_masks_give_one_side_alone(shape: tuple[int, ...]) -> None:
    x, fill = -torch.zeros(shape), torch.full(shape, torch.nan)
    empty = torch.zeros(shape[0], *shape[2:])
    assert torch.equal(bits(counterfactual(x, empty, fill)), bits(x))
    assert torch.equal(bits(counterfactual(x, empty + 1, fill)), bits(fill))
    assert torch.equal(bits(factual(x, empty, fill)), bits(fill))
    assert torch.equal(bits(factual(x, empty + 1, fill)), bits(x))


def test_one_pixel_is_one_pixel() -> None:
    x, fill = torch.zeros(2, 3, 4, 5), torch.ones(2, 3, 4, 5)
    masks = torch.zeros(2, 4, 5, dtype=torch.bool)
    masks[1, 2, 3] = True
    expected = torch.zeros(2, 3, 4, 5)
    expected[1, :, 2, 3] = 1
    assert torch.equal(counterfactual(x, masks, fill), expected)
    assert torch.equal(factual(x, masks, fill), 1 - expected)


@pytest.mark.parametrize("blend", [counterfactual, factual])
@pytest.mark.parametrize("fill", [torch.zeros(2, 1, 4, 4), torch.zeros(2, 3, 4, 4).double()])
def test_a_fill_of_another_kind_is_refused(
    blend: Callable[[Tensor, Tensor, Tensor], Tensor], fill: Tensor
) -> None:
    with pytest.raises(ValueError, match="a fill returns images like those it is given"):
        blend(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4), fill)


class Spy:
    """A fill that remembers the masks it saw."""

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        self.seen = masks
        return images + 1


@pytest.mark.parametrize(("kind", "blend"), [(Counterfactual, counterfactual), (Factual, factual)])
@pytest.mark.parametrize("transform", [None, box_masks, lambda masks: dilate_masks(masks, 1)])
def test_fill_and_blend_see_the_transformed_masks(
    kind: type[Counterfactual] | type[Factual],
    blend: Callable[[Tensor, Tensor, Tensor], Tensor],
    transform: MaskTransform | None,
    generator: torch.Generator,
) -> None:
    images = torch.rand(2, 3, 6, 7, generator=generator)
    masks = torch.zeros(2, 6, 7, dtype=torch.uint8)
    masks[0, 1, 1] = masks[0, 3, 4] = masks[1, 5, 0] = 1
    spy = Spy()
    result = kind(spy, transform)(images, masks, torch.tensor([0, 1]), generator)
    seen = masks[:, None].float() if transform is None else transform(masks[:, None].float())
    assert torch.equal(spy.seen, seen)
    assert torch.equal(result, blend(images, seen, images + 1))


@pytest.mark.parametrize("kind", [Counterfactual, Factual])
def test_wrong_masks_are_refused_before_the_fill(
    kind: type[Counterfactual] | type[Factual], generator: torch.Generator
) -> None:
    with pytest.raises(ValueError, match="mask of image 0 has values from 255 to 255"):
        kind(Grey())(torch.zeros(1, 3, 2, 2), torch.full((1, 2, 2), 255), torch.zeros(1), generator)
