"""Grey, random colour and shuffle: each against what defines it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from causalogit.augment import Grey, RandomColour, Shuffle


def blank(*shape: int) -> tuple[Tensor, Tensor, Tensor]:
    return torch.zeros(shape), torch.zeros(shape[0], 1, *shape[2:]), torch.zeros(shape[0]).long()


@pytest.mark.parametrize(
    "mean", [(0.1, 0.2, 0.3), [0.1, 0.2, 0.3], torch.tensor([0.1, 0.2, 0.3]).double()]
)
def test_grey_is_the_mean_of_each_channel(
    mean: Sequence[float] | Tensor, generator: torch.Generator
) -> None:
    fill = Grey(mean)(*blank(2, 3, 4, 5), generator)
    for b in range(2):
        for c, value in enumerate([0.1, 0.2, 0.3]):
            assert torch.equal(fill[b, c], torch.full((4, 5), value))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mean", [0.25, (0.25,), torch.tensor(0.25)])
def test_one_mean_serves_every_channel(
    mean: Sequence[float] | Tensor | float, channels: int, generator: torch.Generator
) -> None:
    fill = Grey(mean)(*blank(2, channels, 4, 5), generator)
    assert torch.equal(fill, torch.full((2, channels, 4, 5), 0.25))


def test_grey_owns_its_memory(generator: torch.Generator) -> None:
    mean = torch.tensor([0.5])
    Grey(mean)(*blank(1, 1, 1, 1), generator).zero_()
    assert mean.item() == 0.5


def test_grey_refuses_means_that_do_not_fit(generator: torch.Generator) -> None:
    with pytest.raises(ValueError, match="3 means for images of 1 channels"):
        Grey((0.1, 0.2, 0.3))(*blank(2, 1, 4, 5), generator)


def test_without_noise_each_image_has_one_colour_from_the_whole_range(
    generator: torch.Generator,
) -> None:
    fill = RandomColour(noise=0.0, low=-2.0, high=6.0)(*blank(2000, 3, 2, 2), generator)
    colours = fill[:, :, 0, 0]
    assert torch.equal(fill, colours[:, :, None, None].expand_as(fill))
    assert len(set(map(tuple, colours.tolist()))) == 2000
    deciles = torch.linspace(-2, 6, 11)
    shares = torch.histogram(colours.flatten(), deciles).hist / colours.numel()
    assert torch.allclose(shares, torch.full((10,), 0.1), atol=0.015)
    assert torch.corrcoef(colours.T).triu(1).abs().max() < 0.1  # channels are drawn apart


def test_noise_is_gaussian_and_fresh_for_each_value(generator: torch.Generator) -> None:
    fill = RandomColour(noise=0.5, low=-100.0, high=100.0)(*blank(3, 2, 60, 60), generator)
    noise = (fill - fill.mean((2, 3), keepdim=True)).flatten(2)
    assert torch.allclose(noise.std(2), torch.full((3, 2), 0.5), atol=0.03)
    assert torch.allclose((noise.abs() < 0.5).float().mean(2), torch.tensor(0.683), atol=0.03)
    assert torch.corrcoef(noise.flatten(0, 1)).triu(1).abs().max() < 0.1


def test_random_colour_is_clamped(generator: torch.Generator) -> None:
    fill = RandomColour(noise=2.0, low=0.25, high=0.75)(*blank(4, 3, 9, 9), generator)
    assert fill.min().item() == 0.25
    assert fill.max().item() == 0.75


@pytest.mark.parametrize("settings", [{"noise": -0.1}, {"low": 1.0}])
def test_random_colour_refuses_settings_without_sense(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="noise must be at least 0, and low below high"):
        RandomColour(**settings)


def test_shuffle_moves_whole_pixels_and_loses_none(
    make_batch: Callable[..., tuple[Tensor, Tensor, Tensor]], generator: torch.Generator
) -> None:
    images, masks, labels = make_batch(5, 3, 7, 4)
    images[:] = images[:1]
    shuffled = Shuffle()(images, masks, labels, generator)
    pixels = Counter(map(tuple, images[0].flatten(1).T.tolist()))
    for image in shuffled:
        assert Counter(map(tuple, image.flatten(1).T.tolist())) == pixels
    # The images are copies of one, so different results are different permutations.
    assert len(set(map(tuple, shuffled.flatten(1).tolist()))) == 5


def test_every_permutation_is_equally_likely(generator: torch.Generator) -> None:
    images = torch.tensor([0.0, 1.0, 2.0]).expand(6000, 1, 1, 3)
    shuffled = Shuffle()(images, images, torch.zeros(6000), generator)
    counts = Counter(map(tuple, shuffled.flatten(1).tolist()))
    assert len(counts) == 6
    assert all(abs(count - 1000) < 150 for count in counts.values())  # five standard deviations
