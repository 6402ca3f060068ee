"""How photos are taken apart, and what is read off the classifier on the way."""

from __future__ import annotations

import torch
from torch import nn

from causalogit.auditing.measure import (
    background_alone,
    on_background_of,
    separable,
    without_object,
)
from causalogit.auditing.subject import of_module, texture_layer, textures_of
from causalogit.augment import box_masks, dilate_masks


def scene(side=32):
    photos = torch.rand(2, 3, side, side)
    masks = torch.zeros(2, 1, side, side)
    masks[0, :, 8:14, 10:15] = 1
    masks[0, :, 12:20, 12:20] = 1
    masks[1, :, 1:31, 1:31] = 1  # hardly any background
    masks[1, :, 4:6, 4:6] = 0
    return photos, masks


def test_without_the_object_only_its_pixels_are_grey():
    photos, masks = scene()
    gone = without_object(photos, masks)
    inside = masks.bool().expand_as(photos)
    assert (gone[inside] == 0.5).all()
    assert torch.equal(gone[~inside], photos[~inside])


def test_the_background_alone_shows_nothing_of_the_box():
    photos, masks = scene()
    marked = torch.where(masks.bool(), torch.tensor(7.0), photos)  # what could not be background
    found = background_alone(marked, masks)
    assert (found <= 1).all()
    outside = (dilate_masks(box_masks(masks), 1) == 0)[:1].expand(1, 3, -1, -1)
    assert torch.equal(found[:1][outside], marked[:1][outside])


def test_an_object_is_pasted_whole_on_the_background_of_another():
    photos, masks = scene(96)
    donors = torch.rand_like(photos)
    found = on_background_of(photos, masks, donors, masks)
    inside = masks.bool().expand_as(photos)
    assert torch.equal(found[inside], photos[inside])
    far = (dilate_masks(masks, 2) == 0).expand_as(photos)
    assert torch.equal(found[far], background_alone(donors, masks)[far])


def test_separable():
    assert separable(torch.tensor([0.0, 0.02, 0.98, 1.0])).tolist() == [False, True, True, False]


def test_textures_are_channel_means_and_spreads_a_quarter_of_the_way_through():
    layers = [nn.Conv2d(3 if i == 0 else 6, 6, 3, padding=1) for i in range(8)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    subject, photos = of_module(model), torch.rand(4, 3, 16, 16)
    layer = texture_layer(subject, photos)
    assert layer is layers[2]
    with textures_of(layer) as caught:
        subject.answer(photos)
    seen = nn.Sequential(*layers[:3])(photos).flatten(2)
    assert torch.allclose(caught[0], torch.cat([seen.mean(2), seen.std(2)], 1), atol=1e-6)
    assert not layer._forward_hooks
    assert texture_layer(of_module(nn.Flatten()), photos) is None
