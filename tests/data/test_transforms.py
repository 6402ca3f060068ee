"""Crops and flips: masks move with their images; the generator decides everything."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from causalogit.data.transforms import TRANSFORMS, pad_crop_flip, zoom_crop_flip

MOVING = [transform for transform in TRANSFORMS.values() if transform is not None]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(count=16, size=16):
    return torch.rand(count, 3, size, size, generator=generator(9))


@pytest.mark.parametrize("transform", MOVING)
def test_masks_move_with_their_images(transform):
    images = noise()
    masks = images[:, :1]
    moved, moved_masks = transform(images, masks, generator())
    assert torch.equal(moved[:, :1], moved_masks)
    assert not torch.equal(moved, images)
    assert moved.shape == images.shape
    assert 0 <= moved.min().item() <= moved.max().item() <= 1


@pytest.mark.parametrize("transform", MOVING)
def test_generator_decides_and_masks_do_not(transform):
    images = noise()
    first, none = transform(images, None, generator())
    assert none is None
    assert torch.equal(first, transform(images, images[:, :1], generator())[0])
    assert not torch.equal(first, transform(images, None, generator(1))[0])


def test_every_padded_crop_is_one_of_those_possible():
    images = noise(count=12, size=8)
    moved, _ = pad_crop_flip(images, None, generator())
    padded = F.pad(images, (1, 1, 1, 1), mode="reflect")
    flips = 0
    for image, result in zip(padded, moved, strict=True):
        windows = {
            (top, left, flip): image[:, top : top + 8, left : left + 8].flip(2)
            if flip
            else image[:, top : top + 8, left : left + 8]
            for top in range(3)
            for left in range(3)
            for flip in (False, True)
        }
        found = [key for key, window in windows.items() if torch.equal(window, result)]
        assert len(found) == 1
        flips += found[0][2]
    assert 0 < flips < 12


def test_zoomed_crops_stay_inside():
    """A ramp stays a ramp: monotonic along its axis, no wider than before."""
    ramp = torch.linspace(0, 1, 32).expand(64, 3, 32, 32)
    moved, _ = zoom_crop_flip(ramp, None, generator())
    widths = moved[:, 0, 0].amax(1) - moved[:, 0, 0].amin(1)
    steps = moved[:, 0, 0].diff(dim=1)
    assert (((steps > 0).all(1)) | ((steps < 0).all(1))).all()
    assert (widths > 0.45).all()
    assert (widths < 1.0).all()
    share_flipped = (steps < 0).all(1).double().mean().item()
    assert 0.25 < share_flipped < 0.75
