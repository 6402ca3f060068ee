"""Attributes have exactly the counts asked for."""

from __future__ import annotations

import pytest
import torch

from causalogit.data.biases import assign_attributes, long_tailed_attributes


def test_assignment_without_agreement():
    labels = torch.arange(3).repeat(10)
    assigned = assign_attributes(labels, 3, 0.0, torch.Generator())
    assert (assigned != labels).all()


def test_long_tail_in_every_class_begins_at_its_own_attribute():
    labels = torch.arange(4).repeat_interleave(1000)
    assigned = long_tailed_attributes(labels, 4, 27.0, torch.Generator().manual_seed(0))
    shares = [27 ** (-k / 3) for k in range(4)]
    for label in range(4):
        counts = torch.bincount(assigned[labels == label], minlength=4).tolist()
        for k, share in enumerate(shares):
            exact = 1000 * share / sum(shares)
            assert abs(counts[(label + k) % 4] - exact) < 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10])
def test_small_classes_lose_nobody(size):
    labels = torch.zeros(size, dtype=torch.long)
    assigned = long_tailed_attributes(labels, 5, 100.0, torch.Generator())
    counts = torch.bincount(assigned, minlength=5)
    assert counts.sum().item() == size
    assert counts[0] == counts.max()


def test_a_ratio_of_one_is_balanced():
    labels = torch.arange(2).repeat(50)
    assigned = long_tailed_attributes(labels, 5, 1.0, torch.Generator())
    assert torch.bincount(labels * 5 + assigned).tolist() == [10] * 10
