"""Other looks of the object: each against what it keeps and what it takes away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from causalogit.augment import (
    Greyscale,
    Patches,
    Recolour,
    Restyled,
    Retexture,
    Shuffle,
    Smooth,
)
from causalogit.data.biases.paint import stripe_object, tint_object

MakeBatch = Callable[..., tuple[Tensor, Tensor, Tensor]]


def objects(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Discs of one grey each on black, with their masks, of two classes in turn."""
    rows, columns = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    inside = ((rows - 12).square() + (columns - 12).square() < 64)[None, None]
    grey = torch.linspace(0.4, 0.9, count)[:, None, None, None]
    masks = inside.expand(count, -1, -1, -1).float()
    return (masks * grey).expand(-1, 3, -1, -1), masks, torch.arange(count) % 2


@pytest.mark.parametrize("fill", [Greyscale(), Recolour()])
def test_brightness_stays_as_it_was(
    fill: Greyscale | Recolour, make_batch: MakeBatch, generator: torch.Generator
) -> None:
    images, masks, labels = make_batch(5, 3, 6, 4)
    made = fill(images, masks, labels, generator)
    for before, after in zip(images, made, strict=True):
        for row in range(6):
            for column in range(4):
                brightest = before[:, row, column].max()
                assert after[:, row, column].max() == pytest.approx(float(brightest), abs=1e-6)


def test_grey_has_no_colour_and_a_new_colour_is_one_an_image(generator: torch.Generator) -> None:
    images, masks, labels = objects(40)
    tinted = tint_object(images, masks, torch.arange(40) % 5, 5)
    grey = Greyscale()(tinted, masks, labels, generator)
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 0], grey[:, 2])
    made = Recolour()(tinted, masks, labels, generator)
    hues = made[:, :, 12, 12] / made[:, :, 12, 12].amax(1, keepdim=True)
    shown = made / made.amax(1, keepdim=True).clamp(min=1e-6)
    on = masks.bool().expand_as(made)
    assert torch.allclose(shown[on], hues[:, :, None, None].expand_as(made)[on], atol=1e-5)
    # what the tint was cannot be told: all five have the same mean colour within the spread
    means = torch.stack([hues[torch.arange(40) % 5 == tint].mean(0) for tint in range(5)])
    assert (means - hues.mean(0)).abs().max() < 0.3
    assert len(set(map(tuple, hues.tolist()))) == 40


def test_smooth_is_the_mean_of_the_object_around_twice(
    make_batch: MakeBatch, generator: torch.Generator
) -> None:
    images, masks, labels = make_batch(2, 3, 7, 6, dtype=torch.float64)
    made = Smooth(3)(images, masks, labels, generator)
    for image, mask, result in zip(images, masks[:, 0], made, strict=True):
        slow = image.clone()
        for _ in range(2):
            before = slow.clone()
            for row in range(7):
                for column in range(6):
                    near = slice(max(0, row - 1), row + 2), slice(max(0, column - 1), column + 2)
                    if (share := mask[near]).sum() > 0:
                        mean = (before[:, near[0], near[1]] * share).sum((1, 2)) / share.sum()
                        slow[:, row, column] = mean
        assert torch.allclose(result, slow)


def test_smoothing_takes_stripes_away_and_leaves_a_plain_object_alone(
    generator: torch.Generator,
) -> None:
    images, masks, labels = objects(8)
    on = masks.bool().expand_as(images)
    plain = Restyled(Smooth())(images, masks, labels, generator)
    assert torch.allclose(plain, images, atol=1e-5)
    striped = stripe_object(images, masks, torch.arange(8) % 4, 4)
    smooth = Restyled(Smooth())(striped, masks, labels, generator)
    assert smooth[on].view(8, -1).std(1).mean() < 0.3 * striped[on].view(8, -1).std(1).mean()
    assert torch.equal(smooth[~on], striped[~on])


def test_a_new_texture_is_one_of_the_batch_and_independent_of_the_image(
    generator: torch.Generator,
) -> None:
    images, masks, labels = objects(400)
    directions = torch.arange(400) % 4
    striped = stripe_object(images, masks, directions, 4)
    made = Restyled(Retexture())(striped, masks, labels, generator)

    def direction_of(image: Tensor) -> int:
        """By which of the four striped discs it looks most like."""
        four = stripe_object(images[:1].expand(4, -1, -1, -1), masks[:4], torch.arange(4), 4)
        flat = torch.stack([*four.flatten(1), image.flatten()])
        return int(torch.corrcoef(flat)[-1, :4].argmax())

    assert [direction_of(image) for image in striped[:40]] == directions[:40].tolist()
    table = torch.zeros(4, 4)
    for before, image in zip(directions.tolist(), made, strict=True):
        table[before, direction_of(image)] += 1
    assert (table - 25).abs().max() < 16  # 400 / 16 a cell, 3.5 standard deviations
    assert ((made >= 0) & (made <= 1)).all()


def test_patches_are_moved_whole_and_none_is_lost(generator: torch.Generator) -> None:
    images = torch.rand(6, 3, 8, 12, generator=generator)
    images[:] = images[:1]
    made = Patches(4)(images, images[:, :1], torch.zeros(6), generator)

    def cut(image: Tensor) -> Counter[tuple[float, ...]]:
        return Counter(
            tuple(image[:, row : row + 4, column : column + 4].flatten().tolist())
            for row in (0, 4)
            for column in (0, 4, 8)
        )

    assert all(cut(image) == cut(images[0]) for image in made)
    assert len(set(map(tuple, made.flatten(1).tolist()))) > 1


def test_where_patches_do_not_fit_every_pixel_still_comes_from_the_image(
    generator: torch.Generator,
) -> None:
    images = torch.rand(3, 1, 7, 5, generator=generator)
    made = Patches(3)(images, images, torch.zeros(3), generator)
    for before, after in zip(images, made, strict=True):
        assert set(after.flatten().tolist()) <= set(before.flatten().tolist())
        assert len(set(after.flatten().tolist())) > 15
    one = Patches(9)(images, images, torch.zeros(3), generator)
    assert torch.equal(one, images)


def test_shuffled_pixels_and_patches_keep_colours(generator: torch.Generator) -> None:
    images, masks, labels = objects(10)
    tinted = tint_object(images, masks, torch.arange(10) % 5, 5)
    for fill in (Shuffle(), Patches(4)):
        made = fill(tinted, masks, labels, generator)
        assert torch.allclose(made.mean((2, 3)), tinted.mean((2, 3)), atol=1e-5)


@pytest.mark.parametrize(("kind", "size"), [(Smooth, 1), (Smooth, 4), (Patches, 0)])
def test_sizes_without_sense_are_refused(kind: type[Smooth] | type[Patches], size: int) -> None:
    with pytest.raises(ValueError, match=f"size is {size} pixels; give"):
        kind(size)
