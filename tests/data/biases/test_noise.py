"""Transition matrices are those of Meta-Weight-Net's code; labels follow them."""

from __future__ import annotations

import pytest
import torch

from causalogit.data.biases import noisy_labels, transition_matrix


def generator():
    return torch.Generator().manual_seed(0)


def test_uniform_counts_the_own_class_in():
    matrix = transition_matrix("uniform", 0.6, 10, generator())
    for row in range(10):
        for column in range(10):
            expected = 0.06 + (0.4 if row == column else 0)
            assert matrix[row, column].item() == pytest.approx(expected)


@pytest.mark.parametrize(("kind", "others", "share"), [("flip", 1, 0.4), ("flip2", 2, 0.2)])
def test_flip_goes_to_one_or_two_other_classes(kind, others, share):
    matrix = transition_matrix(kind, 0.4, 10, generator())
    for label, row in enumerate(matrix):
        assert row[label].item() == pytest.approx(0.6)
        rest = torch.cat([row[:label], row[label + 1 :]])
        assert sorted(rest.tolist())[-others:] == pytest.approx([share] * others)
        assert (rest > 0).sum().item() == others


def test_none_is_the_identity():
    labels = torch.arange(5).repeat(4)
    matrix = transition_matrix("none", 0.9, 5, generator())
    assert torch.equal(noisy_labels(labels, matrix, generator()), labels)


@pytest.mark.parametrize("kind", ["uniform", "flip", "flip2"])
def test_labels_follow_the_matrix(kind):
    matrix = transition_matrix(kind, 0.4, 4, generator())
    labels = torch.arange(4).repeat_interleave(20_000)
    drawn = noisy_labels(labels, matrix, generator())
    for label in range(4):
        share = torch.bincount(drawn[labels == label], minlength=4).double() / 20_000
        assert (share - matrix[label]).abs().max().item() < 0.015


def test_two_classes_cannot_flip_to_two_others():
    with pytest.raises(ValueError, match=r"'flip2' needs more than 2 classes, not 2"):
        transition_matrix("flip2", 0.4, 2, generator())
