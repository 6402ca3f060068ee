"""Each paint against a loop over pixels."""

from __future__ import annotations

import math

import pytest
import torch

from causalogit.data.biases import PAINTS, colour_names, palette

MASKS = (torch.rand(3, 1, 6, 8, generator=torch.Generator().manual_seed(0)) > 0.5).float()
IMAGES = torch.rand(3, 3, 6, 8, generator=torch.Generator().manual_seed(1))
ATTRIBUTES = torch.tensor([0, 3, 2])


def expected(kind, image, pixel_mask, attribute, row, column):
    colour = palette(4)[attribute]
    if kind == "background":
        return image if pixel_mask else colour
    if not pixel_mask:
        return image
    if kind == "colour":
        return image * colour
    angle = math.pi * attribute / 4
    position = math.cos(angle) * column + math.sin(angle) * row
    return image * (0.5 + 0.5 * math.cos(2 * math.pi * position / 4))


@pytest.mark.parametrize("kind", PAINTS)
def test_every_pixel(kind):
    painted = PAINTS[kind](IMAGES, MASKS, ATTRIBUTES, 4)
    for i in range(3):
        for row in range(6):
            for column in range(8):
                want = expected(
                    kind, IMAGES[i, :, row, column], MASKS[i, 0, row, column] > 0,
                    ATTRIBUTES[i].item(), row, column,
                )  # fmt: skip
                assert torch.allclose(painted[i, :, row, column], want, atol=1e-6)


def test_colours_are_apart_and_named():
    for count in (2, 5, 10):
        colours = palette(count)
        assert len(set(colour_names(count))) == count
        distances = torch.cdist(colours, colours) + 9 * torch.eye(count)
        assert distances.min().item() > 0.3
