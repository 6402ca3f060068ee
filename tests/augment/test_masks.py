"""Masks: what is accepted, what is refused and how, boxes and dilation against slow loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from causalogit.augment import (
    box_masks,
    check_masks,
    dilate_masks,
    erode_masks,
    shift_masks,
)

INTEGERS = [torch.bool, torch.uint8, torch.int64]
FLOATS = [torch.float16, torch.float32, torch.float64]


def random_masks(seed: int, *shape: int, share: float = 0.2) -> Tensor:
    """Soft masks, most of them 0."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(shape, generator=generator)
    return values * (torch.rand(shape, generator=generator) < share)


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 1, 3, 5)])
def test_every_mask_becomes_one_channel_of_the_images_dtype(
    dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    masks = (torch.arange(30).reshape(shape) % 3 == 0).to(dtype)
    checked = check_masks(torch.zeros(2, 3, 3, 5, dtype=torch.float64), masks)
    assert checked.dtype == torch.float64
    assert torch.equal(checked, masks.reshape(2, 1, 3, 5).double())


def test_soft_values_and_an_empty_batch_pass() -> None:
    masks = torch.linspace(0, 1, 15).reshape(1, 3, 5)
    assert torch.equal(check_masks(torch.zeros(1, 3, 3, 5), masks), masks[:, None])
    assert check_masks(torch.zeros(0, 3, 3, 5), torch.zeros(0, 3, 5)).shape == (0, 1, 3, 5)


@pytest.mark.parametrize("shape", [(2, 5, 3), (3, 3, 5), (2, 3, 3, 5), (3, 5), (1, 2, 3, 5)])
def test_a_wrong_shape_is_refused_with_the_right_one(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"need masks of shape \(2, 3, 5\) or \(2, 1, 3, 5\)"):
        check_masks(torch.zeros(2, 3, 3, 5), torch.zeros(shape))


@pytest.mark.parametrize(
    ("value", "dtype", "what"),
    [
        (255, torch.uint8, "values from 0 to 255"),
        (-0.25, torch.float32, "values from -0.25 to 0"),
        (1.5, torch.float64, "values from 0 to 1.5"),
        (float("nan"), torch.float32, "NaN"),
        (float("inf"), torch.float32, "values from 0 to inf"),
    ],
)
def test_a_wrong_value_is_refused_by_image(value: float, dtype: torch.dtype, what: str) -> None:
    masks = torch.zeros(4, 3, 5, dtype=dtype)
    masks[2, 1, 1] = value
    with pytest.raises(ValueError, match=f"mask of image 2 has {what}; .* divide 8-bit"):
        check_masks(torch.zeros(4, 3, 3, 5), masks)


@pytest.mark.parametrize(
    "images", [torch.zeros(2, 3, 5), torch.zeros(2, 3, 3, 5, dtype=torch.uint8)]
)
def test_images_must_be_a_floating_point_batch(images: Tensor) -> None:
    with pytest.raises(ValueError, match="give floating-point images"):
        check_masks(images, torch.zeros(2, 3, 5))


def slow_box(mask: Tensor, threshold: float) -> Tensor:
    box = torch.zeros_like(mask)
    pixels = [
        (i, j) for i in range(mask.shape[0]) for j in range(mask.shape[1]) if mask[i, j] > threshold
    ]
    if pixels:
        rows, columns = zip(*pixels, strict=True)
        box[min(rows) : max(rows) + 1, min(columns) : max(columns) + 1] = 1
    return box


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    threshold=st.sampled_from([0.0, 0.5, 0.9]),
)
def test_boxes_are_tight(seed: int, size: tuple[int, int], threshold: float) -> None:
    masks = random_masks(seed, 4, *size)
    expected = torch.stack([slow_box(mask, threshold) for mask in masks])
    assert torch.equal(box_masks(masks, threshold), expected)
    assert torch.equal(box_masks(masks[:, None], threshold), expected[:, None])


def slow_dilation(mask: Tensor, radius: int) -> Tensor:
    grown = torch.zeros_like(mask)
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            rows = slice(max(i - radius, 0), i + radius + 1)
            columns = slice(max(j - radius, 0), j + radius + 1)
            grown[i, j] = mask[rows, columns].max()
    return grown


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    radius=st.integers(0, 7),
)
def test_dilation_takes_the_square_maximum(seed: int, size: tuple[int, int], radius: int) -> None:
    masks = random_masks(seed, 3, *size)
    expected = torch.stack([slow_dilation(mask, radius) for mask in masks])
    assert torch.equal(dilate_masks(masks, radius), expected)
    assert torch.equal(dilate_masks(masks[:, None], radius), expected[:, None])


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
def test_box_and_dilation_keep_the_dtype(dtype: torch.dtype) -> None:
    masks = torch.zeros(3, 1, 4, 5, dtype=dtype)
    masks[0, 0, 1, 1] = masks[0, 0, 3, 2] = masks[1, 0, 2, 2] = 1  # the third one is empty
    boxes, grown = box_masks(masks), dilate_masks(masks, 1)
    assert boxes.dtype == grown.dtype == dtype
    assert boxes.sum((1, 2, 3)).tolist() == [6, 1, 0]
    assert grown.sum((1, 2, 3)).tolist() == [13, 9, 0]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    radius=st.integers(0, 3),
)
def test_erosion_takes_the_square_minimum(seed: int, size: tuple[int, int], radius: int) -> None:
    masks = random_masks(seed, 2, 1, *size, share=0.8)
    eroded = erode_masks(masks, radius)
    for row in range(size[0]):
        for column in range(size[1]):
            rows = slice(max(0, row - radius), row + radius + 1)
            columns = slice(max(0, column - radius), column + radius + 1)
            around = masks[:, :, rows, columns].amin((2, 3))
            assert torch.allclose(eroded[:, :, row, column], around, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(-9, 9), columns=st.integers(-9, 9))
def test_shifted_masks_do_not_come_back_on_the_other_side(
    seed: int, rows: int, columns: int
) -> None:
    masks = random_masks(seed, 2, 1, 4, 5)
    shifted = shift_masks(masks, rows, columns)
    for row in range(4):
        for column in range(5):
            inside = 0 <= row - rows < 4 and 0 <= column - columns < 5
            came = masks[:, :, row - rows, column - columns] if inside else torch.zeros(2, 1)
            assert torch.equal(shifted[:, :, row, column], came)


def test_a_negative_radius_is_refused() -> None:
    with pytest.raises(ValueError, match="radius is -1 pixels"):
        dilate_masks(torch.zeros(1, 1, 2, 2), -1)
