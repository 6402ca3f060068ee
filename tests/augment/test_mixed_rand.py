"""Mixed-Rand: every background comes, without its object, from an image of another class."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from causalogit.augment import Grey, MixedRand, RandomColour, Tile, counterfactual


def donors(labels: Tensor, generator: torch.Generator, *, any_class: bool = False) -> Tensor:
    """Whose background each image gets, read off images that are their own index everywhere."""
    batch = len(labels)
    images = torch.arange(batch, dtype=torch.float64)[:, None, None, None].expand(batch, 2, 3, 4)
    fill = MixedRand(any_class=any_class)
    fill = fill(images, torch.zeros(batch, 3, 4), labels, generator)
    assert torch.equal(fill, fill[:, :1, :1, :1].expand_as(fill))
    return fill[:, 0, 0, 0].long()


@pytest.mark.parametrize("seed", range(20))
def test_donors_are_of_another_class(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (30,), generator=generator)
    assert (labels[donors(labels, generator)] != labels).all()


def test_every_image_of_another_class_is_equally_likely(generator: torch.Generator) -> None:
    labels = torch.tensor([0] * 900 + [1] + [2] * 2)
    chosen = donors(labels, generator)[:900].bincount(minlength=903)
    assert chosen[:900].sum() == 0
    assert (chosen[900:] - 300).abs().max() < 70  # five standard deviations


def test_of_any_class_every_image_is_equally_likely(generator: torch.Generator) -> None:
    labels = torch.tensor([0] * 600 + [1] * 300)
    chosen = labels[donors(labels, generator, any_class=True)]
    for label in (0, 1):  # independent of the image's own class
        assert chosen[labels == label].double().mean().item() == pytest.approx(1 / 3, abs=0.1)


def test_the_donor_comes_without_its_object(generator: torch.Generator) -> None:
    images = torch.rand(2, 3, 5, 6, generator=generator)
    masks = torch.zeros(2, 1, 5, 6)
    masks[0, 0, 1:3, 2:5] = 1
    masks[1, 0, 4, :] = 0.5
    labels = torch.tensor([4, 7])
    for background in (Grey(0.25), Tile()):
        removed = counterfactual(images, masks, background(images, masks, labels, generator))
        fill = MixedRand(background)(images, masks, labels, generator)
        assert torch.equal(fill, removed.flip(0))  # with two images, each gets the other's


@pytest.mark.parametrize("batch", [1, 4])
def test_a_batch_of_one_class_falls_back(batch: int, generator: torch.Generator) -> None:
    images, masks = torch.rand(batch, 3, 5, 6, generator=generator), torch.zeros(batch, 5, 6)
    labels = torch.full((batch,), 3)
    fill = MixedRand(fallback=Grey(0.25))(images, masks, labels, generator)
    assert torch.equal(fill, torch.full_like(images, 0.25))

    state = generator.get_state()
    fill = MixedRand()(images, masks, labels, generator)
    assert torch.equal(fill, RandomColour()(images, masks, labels, generator.set_state(state)))


@pytest.mark.parametrize("labels", [torch.zeros(3, 1), torch.zeros(2), torch.zeros(3, 3)])
def test_labels_of_another_shape_are_refused(labels: Tensor, generator: torch.Generator) -> None:
    with pytest.raises(ValueError, match="give one class index for each of the 3 images"):
        MixedRand()(torch.zeros(3, 1, 2, 2), torch.zeros(3, 2, 2), labels, generator)
