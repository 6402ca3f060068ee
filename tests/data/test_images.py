"""Views read what they are asked for, and no more."""

from __future__ import annotations

import pytest
import torch

from causalogit.data.images import Changed, InMemory, Joined, Masked, Taken, as_float


class Counting(InMemory):
    """Remembers which images were read."""

    def __init__(self, images, masks=None):
        super().__init__(images, masks)
        object.__setattr__(self, "seen", [])

    def read(self, index):
        self.seen.extend(index.tolist())
        return super().read(index)


@pytest.fixture
def pixels():
    return torch.rand(10, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def test_eight_bits_become_shares():
    values = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert as_float(values).tolist() == pytest.approx([0, 0.2, 1])


def test_views_of_views_read_the_right_images_once(pixels):
    base = Counting(pixels)
    view = Taken(Taken(base, torch.tensor([9, 7, 5, 3])), torch.tensor([2, 0]))
    assert base.seen == []
    images, masks = view.read(torch.tensor([1, 0, 1]))
    assert base.seen == [9, 5, 9]
    assert torch.equal(images, pixels[[9, 5, 9]])
    assert masks is None
    assert len(view) == 2
    assert view.shape == (3, 4, 5)


def test_a_change_is_told_the_index(pixels):
    changed = Changed(
        InMemory(pixels), lambda images, masks, index: index[:, None, None, None] + 0 * images
    )
    images, _ = changed.read(torch.tensor([4, 2]))
    assert images[:, 0, 0, 0].tolist() == [4, 2]


def test_masks_are_made_from_masks_or_from_nothing(pixels):
    bare = Masked(InMemory(pixels), lambda masks, index: torch.ones_like(masks))
    assert bare.has_masks
    assert bare.read(torch.tensor([0]))[1].shape == (1, 1, 4, 5)
    doubled = Masked(
        InMemory(pixels, torch.full((10, 1, 4, 5), 0.25)), lambda masks, index: 2 * masks
    )
    assert (doubled.read(torch.tensor([3]))[1] == 0.5).all()


@pytest.mark.parametrize("with_masks", [(True, True), (True, False)])
def test_joined_images_keep_their_order(pixels, with_masks):
    parts = [
        InMemory(half, half[:, :1] if masks else None)
        for half, masks in zip(pixels.split(5), with_masks, strict=True)
    ]
    joined = Joined(*parts)
    index = torch.tensor([7, 0, 4, 9, 5])
    images, masks = joined.read(index)
    assert torch.equal(images, pixels[index])
    assert joined.has_masks == all(with_masks)
    if all(with_masks):
        assert torch.equal(masks, pixels[index, :1])
    else:
        assert masks is None


def test_shapes_must_agree_to_be_joined(pixels):
    with pytest.raises(ValueError, match=r"\(3, 4, 5\) and \(3, 4, 4\) cannot be joined"):
        Joined(InMemory(pixels), InMemory(pixels[..., :4]))
