"""The probe finds what is there, and not what is not."""

from __future__ import annotations

import pytest
import torch

from causalogit.masks.probe import MOST_PHOTOS, probe


def values(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))


def test_labels_that_can_be_read():
    given, labels = values(90), torch.arange(90) % 3
    given[:, 0] += 8 * labels
    found = probe(given, labels)
    assert found.accuracy > 0.9
    assert found.leaks
    assert found.low < found.accuracy <= found.high <= 1
    assert (found.chance, found.photos, found.classes) == (pytest.approx(1 / 3), 90, 3)


def test_the_interval_covers_chance_where_there_is_nothing():
    outcomes = [probe(values(60, seed), torch.arange(60) % 2) for seed in range(16)]
    assert sum(found.leaks for found in outcomes) <= 2
    assert sum(found.high < found.chance for found in outcomes) <= 2


def test_the_interval_shrinks_with_photos():
    widths = []
    for count in (40, 640):
        found = probe(values(count), torch.arange(count) % 2)
        widths.append(found.high - found.low)
    assert 3 < widths[0] / widths[1] < 5


def test_classes_weigh_alike():
    """Guessing the larger class is no better than chance."""
    labels = (torch.arange(400) % 10 == 0).long()
    found = probe(torch.zeros(400, 2), labels)
    assert found.accuracy == pytest.approx(0.5)
    assert not found.leaks


def test_small_classes_are_left_out():
    labels = torch.tensor([0] * 30 + [1] * 9 + [4] * 20)
    found = probe(values(59), labels)
    assert (found.photos, found.classes) == (50, 2)
    assert probe(values(39), labels[:39]) is None
    assert probe(values(0), labels[:0]) is None


def test_many_photos_are_thinned_out():
    count = 3 * MOST_PHOTOS
    labels = (torch.arange(count) % 1000 == 0).long()  # fifteen, which stay
    found = probe(torch.randn(count, 2), labels)
    assert MOST_PHOTOS - 10 <= found.photos <= MOST_PHOTOS + 15
    assert found.classes == 2
