from __future__ import annotations

import tracemalloc

import torch

from causalogit.auditing.discover import discover


def blobs(counts, spread=0.3, width=12):
    draws = torch.Generator().manual_seed(0)
    centres = 3 * torch.randn(len(counts), width, generator=draws)
    group = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    group = group[torch.randperm(len(group), generator=draws)]
    noise = spread * torch.randn(len(group), width, generator=draws)
    return (centres[group] + noise) * torch.linspace(0.01, 100, width), group


def test_as_many_groups_as_there_are_the_largest_first():
    looks, group = blobs([30, 80, 50])
    found = discover(looks, torch.ones(160, dtype=torch.bool), most=6, seed=0)
    assert torch.equal(found.group, torch.tensor([2, 0, 1])[group])
    assert found.silhouette > 0.5
    for number, places in enumerate(found.typical):
        assert len(places) == 8
        assert (found.group[list(places)] == number).all()


def test_what_has_no_background_is_in_no_group():
    looks, _ = blobs([40, 40])
    usable = torch.arange(80) % 4 != 0
    found = discover(looks, usable, most=4, seed=0)
    assert ((found.group >= 0) == usable).all()


def test_noise_falls_into_no_groups():
    looks = torch.randn(300, 40, generator=torch.Generator().manual_seed(1))
    assert discover(looks, torch.ones(300, dtype=torch.bool), most=8, seed=0) is None


def test_too_few_or_all_alike():
    usable = torch.ones(30, dtype=torch.bool)
    assert discover(torch.ones(30, 5), usable, most=8, seed=0) is None
    assert discover(torch.randn(15, 5), usable[:15], most=8, seed=0) is None


def test_many_photos_are_not_copied():
    looks, group = blobs([9000, 6000], width=512)
    usable = torch.ones(15000, dtype=torch.bool)
    discover(
        looks[:100], usable[:100], most=2, seed=0
    )  # what is imported by then counts for nobody
    tracemalloc.start()
    found = discover(looks, usable, most=2, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert torch.equal(found.group, group)
    assert peak < looks.numel() * 8  # one copy in double precision; the silhouette takes 34 MB
