"""OpenCV's inpainting as a fill."""

from __future__ import annotations

import sys

import pytest
import torch

from causalogit.augment import (
    Counterfactual,
    Grey,
    OpenCv,
    Shuffle,
    box_masks,
    make_counterfactual,
)


def ramp(channels=3):
    """A batch of two that grows darker to the right, with a square hole in one."""
    images = torch.linspace(0, 1, 64).expand(2, channels, 48, 64).clone()
    masks = torch.zeros(2, 1, 48, 64)
    masks[0, 0, 16:32, 20:40] = 1
    return images, masks


@pytest.mark.parametrize("method", ["telea", "navier_stokes"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_around_the_hole_goes_on_in_it(method, channels):
    images, masks = ramp(channels)
    hidden = torch.where(masks == 1, 1 - images, images)
    filled = OpenCv(method)(hidden, masks, torch.zeros(2), torch.Generator())
    assert (filled - images).abs().max() < 0.12
    assert torch.equal(filled[1], images[1])


def test_the_colours_of_a_rim_are_not_carried_on():
    images, masks = ramp()
    around = torch.zeros_like(masks)
    around[0, 0, 15:33, 19:41] = 1
    hidden = torch.where(around == 1, 0.0, images)
    made = make_counterfactual("opencv")(hidden, masks, torch.zeros(2), torch.Generator())
    assert (made - images).abs().max() < 0.12
    assert torch.equal(made[around.expand_as(made) == 0], hidden[around.expand_as(made) == 0])


def test_a_soft_edge_of_the_object_is_painted_over_too():
    images, masks = ramp()
    masks[0, 0, 15, 20:40] = 0.3  # half-transparent fur
    hidden = torch.where(masks > 0, 0.0, images)
    draws = torch.Generator()
    made = make_counterfactual("opencv")(hidden, masks, torch.zeros(2), draws)
    assert (made - images).abs().max() < 0.2
    boxed = make_counterfactual("opencv", boxes=True)(hidden, masks, torch.zeros(2), draws)
    assert (boxed - images).abs().max() < 0.2
    assert make_counterfactual("shuffle", boxes=True) == Counterfactual(Shuffle(), box_masks)


@pytest.mark.parametrize("side", [2, 3])
def test_a_single_row_or_column_is_painted_as_two_alike(side):
    """Of one, `cv2.inpaint` reads what lies beyond the image in memory."""
    draws = torch.Generator().manual_seed(0)
    images = torch.rand(50, 3, 6, 6, generator=draws).narrow(side, 0, 1)
    masks = (torch.rand(50, 1, 6, 6, generator=draws) > 0.7).float().narrow(side, 0, 1)
    fill, labels = OpenCv(fallback=Grey()), torch.zeros(50)
    two = fill(images.repeat_interleave(2, side), masks.repeat_interleave(2, side), labels, draws)
    assert torch.equal(fill(images, masks, labels, draws), two.narrow(side, 0, 1))


def test_nothing_known_is_the_fallback():
    images = torch.rand(2, 3, 8, 8)
    masks = torch.zeros(2, 1, 8, 8)
    masks[1] = 1
    filled = OpenCv(fallback=Grey(0.25))(images, masks, torch.zeros(2), torch.Generator())
    assert torch.equal(filled[0], images[0])
    assert torch.equal(filled[1], torch.full((3, 8, 8), 0.25))


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match="images of 4 channels: inpainting takes 1 or 3"):
        OpenCv()(torch.rand(1, 4, 8, 8), torch.ones(1, 1, 8, 8), torch.zeros(1), torch.Generator())


def test_settings_without_sense_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="radius is 0 pixels: give a positive one"):
        OpenCv(radius=0)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ValueError, match=r"opencv needs OpenCV.*pip install 'causalogit\[masks\]'"):
        OpenCv()
