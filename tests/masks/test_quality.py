"""Numbers of hand-made masks, counted by hand."""

from __future__ import annotations

import pytest
import torch

from causalogit.masks.quality import box_of, quality_of


def blank() -> torch.Tensor:
    return torch.zeros(20, 30)


def test_an_object_in_the_middle():
    mask = blank()
    mask[5:15, 10:20] = 1
    quality = quality_of(mask)
    assert quality.area == pytest.approx(100 / 600)
    assert quality.confidence == 1
    assert quality.border == 0
    assert quality.sides == 0
    assert quality.flags == ()
    torch.testing.assert_close(box_of(mask).float(), torch.tensor([1 / 3, 0.25, 2 / 3, 0.75]))


def test_border_counts_every_pixel_once():
    mask = blank()
    mask[:4, :6] = 1  # four on the left, six on top, the corner is one of both
    quality = quality_of(mask)
    assert quality.border == pytest.approx(9 / (2 * 20 + 2 * 30 - 4))
    assert quality.sides == 2


def test_confidence_ignores_what_is_surely_background():
    mask = blank()
    mask[5:10, 5:10] = 0.9
    mask[10, 5:10] = 0.4
    mask[0] = 0.05
    assert quality_of(mask).confidence == pytest.approx((25 * 0.8 + 5 * 0.2) / 30)


@pytest.mark.parametrize(
    ("fill", "flags"),
    [
        (lambda m: m, ("empty", "unsure")),
        (lambda m: m + 1, ("full",)),
        (lambda m: m + 0.6, ("full", "unsure")),
    ],
)
def test_nothing_and_everything(fill, flags):
    assert quality_of(fill(blank())).flags == flags


def test_all_sides():
    mask = blank()
    mask[10] = 1
    mask[:, 10] = 1
    quality = quality_of(mask)
    assert (quality.sides, quality.flags) == (4, ("all sides",))
    mask[-3:] = 0
    assert quality_of(mask).flags == ()


@pytest.mark.parametrize("is_turned", [False, True])
def test_the_middle_square_is_all_that_training_sees(is_turned):
    for columns, inside, flags in [
        ((10, 20), 1, ()),
        ((0, 10), 0.5, ()),  # the square begins at the fifth column
        ((0, 9), 4 / 9, ("cut off",)),
        ((26, 30), 0, ("cut off",)),
    ]:
        mask = blank()
        mask[5:15, slice(*columns)] = 1
        quality = quality_of(mask.T if is_turned else mask)
        assert (quality.inside, quality.flags) == (pytest.approx(inside), flags)


def test_one_pixel():
    assert quality_of(torch.ones(1, 1)).border == 1
    assert box_of(blank()).tolist() == [0, 0, 0, 0]
