"""Class sizes are those of the literature; the head and the order are as asked for."""

from __future__ import annotations

import pytest
import torch

from causalogit.data.biases import long_tail_counts, long_tailed


@pytest.mark.parametrize(
    ("largest", "classes", "ratio", "total", "smallest"),
    [(5000, 10, 100, 12_406, 50), (500, 100, 100, 10_847, 5), (5000, 10, 10, 20_431, 500)],
)
def test_sizes_are_those_of_the_literature(largest, classes, ratio, total, smallest):
    counts = long_tail_counts(largest, classes, ratio)
    assert sum(counts) == total
    assert counts[0] == largest
    assert counts[-1] == smallest
    assert counts == sorted(counts, reverse=True)


def test_the_first_of_each_class_stay():
    labels = torch.arange(3).repeat(20)
    kept = long_tailed(labels, 16, 4)
    assert torch.bincount(labels[kept]).tolist() == [16, 8, 4]
    for label, count in enumerate((16, 8, 4)):
        own = [i for i in range(60) if labels[i] == label]
        assert kept[labels[kept] == label].tolist() == own[:count]


def test_order_says_which_class_is_the_largest():
    labels = torch.arange(3).repeat(20)
    kept = long_tailed(labels, 16, 4, order=torch.tensor([2, 0, 1]))
    assert torch.bincount(labels[kept]).tolist() == [8, 4, 16]


def test_without_a_size_the_smallest_class_bounds_the_head():
    labels = torch.tensor([0] * 30 + [1] * 9 + [2] * 25)
    assert torch.bincount(labels[long_tailed(labels, None, 1)]).tolist() == [9, 9, 9]


def test_what_cannot_be_is_named():
    labels = torch.arange(3).repeat(20)
    with pytest.raises(ValueError, match=r"class 0 has 20 training images left.*needs 30"):
        long_tailed(labels, 30, 2)
    with pytest.raises(ValueError, match=r"100:1 leaves no image to the smallest class"):
        long_tailed(labels, 20, 100)
