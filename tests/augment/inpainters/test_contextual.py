"""The inpainting network, its fill and its file."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from causalogit.augment import find_inpainter
from causalogit.augment.inpainters import (
    Contextual,
    InpaintingNetwork,
    Settings,
    inpainter_bytes,
    settings_for,
)
from causalogit.augment.inpainters.network import smoothed


def network(channels=3, **settings):
    """With weights that say something: fresh ones give the smooth guess alone."""
    net = InpaintingNetwork(Settings(channels, **{"width": 2, "halvings": 1} | settings))
    for layers in (net.coarse, net.join):
        torch.nn.init.normal_(layers[-1][-1].weight, std=0.1)
    return net


def masked(channels=3, height=13, width=10):
    masks = torch.zeros(2, 1, height, width)
    masks[:, :, 3:9, 2:7] = 1
    return torch.rand(2, channels, height, width), masks


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("halvings", "rate"), [(1, 1), (2, 1), (2, 2)])
def test_any_size_is_painted_whole(channels, halvings, rate):
    images, masks = masked(channels)
    for guess in network(channels, halvings=halvings, rate=rate)(images, masks):
        assert guess.shape == images.shape
        assert torch.isfinite(guess).all()


def test_what_is_in_the_holes_is_never_looked_at():
    images, masks = masked()
    other = torch.where(masks == 1, torch.nan, images)
    net = network()
    for one, two in zip(net(images, masks), net(other, masks), strict=True):
        assert torch.equal(one, two)


def test_the_smooth_guess_is_known_where_it_is_known_and_between_its_neighbours_elsewhere():
    ramp = torch.linspace(0, 1, 16).expand(1, 3, 16, 16).clone()
    holes = torch.zeros(1, 1, 16, 16)
    holes[..., 4:9, 6:11] = 1
    guess = smoothed(ramp, holes)
    known = (holes == 0).expand_as(ramp)
    assert torch.equal(guess[known], ramp[known])
    assert (guess - ramp).abs().max() < 0.12
    fresh = InpaintingNetwork(Settings(3, width=2))
    for painted in fresh(ramp, holes):
        assert torch.equal(painted, guess)
    assert not smoothed(ramp, torch.ones_like(holes)).any()


def test_brighter_surroundings_make_a_brighter_guess():
    images, masks = masked()
    net = network()
    for one, two in zip(net(images, masks), net(images + 0.25, masks), strict=True):
        assert torch.allclose(one + 0.25, two, atol=1e-5)


def test_the_fill_is_frozen_and_reads_nothing_of_the_rest_of_the_batch():
    images, masks = masked(height=64, width=64)
    fill = Contextual(network().train())
    assert not fill.network.training
    assert not any(parameter.requires_grad for parameter in fill.network.parameters())
    whole = fill(images, masks, torch.zeros(2), torch.Generator())
    single = fill(images[1:], masks[1:], torch.zeros(1), torch.Generator())
    assert torch.allclose(whole[1:], single, atol=1e-4)
    hole = (masks == 1).expand_as(images)
    assert torch.equal(whole[~hole], images[~hole])
    assert (whole[hole] != images[hole]).all()


def test_a_file_gives_the_same_fill_back(tmp_path):
    images, masks = masked()
    fill = Contextual(network())
    file = tmp_path / "inpainter.safetensors"
    file.write_bytes(inpainter_bytes(fill.network, {"trained on": "nothing"}))
    again = find_inpainter(str(file))
    draws = torch.Generator()
    assert torch.equal(
        again(images, masks, torch.zeros(2), draws), fill(images, masks, torch.zeros(2), draws)
    )


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        find_inpainter(str(tmp_path / "missing.safetensors"))
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(1)}, other)
    with pytest.raises(ValueError, match=r"no inpainter of causalogit .*: give a file that `caus"):
        find_inpainter(str(other))
    other.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no inpainter of causalogit"):
        find_inpainter(str(other))


def test_channels_must_fit():
    images, masks = masked(1)
    with pytest.raises(ValueError, match="trained on images of 3 channels, and these have 1"):
        Contextual(network())(images, masks, torch.zeros(2), torch.Generator())


def test_settings_follow_the_size():
    assert settings_for(3, 28, 16) == Settings(3, 16, halvings=1, rate=1)
    assert settings_for(3, 96, 16) == Settings(3, 16, halvings=2, rate=1)
    assert settings_for(1, 224, 8) == Settings(1, 8, halvings=2, rate=2)
    assert Settings(1, 8, 2, 2).multiple == 8
