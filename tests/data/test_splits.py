"""Splits are disjoint and balanced as promised; the bias has exactly the correlation asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from causalogit.config import AttributeConfig, DataConfig, MetaConfig, RunConfig
from causalogit.data import build_data
from causalogit.data.biases import palette
from causalogit.data.carve import carve
from causalogit.data.sources.digits import digits
from causalogit.methods import run_data


@pytest.fixture(scope="module")
def data():
    return build_data(DataConfig(), seed=0)


def test_sizes_and_balance(data):
    assert [len(s) for s in (data.train, data.meta, data.validation, data.test)] == [
        3500, 100, 400, 1000,
    ]  # fmt: skip
    for split, each in ((data.meta, 4), (data.validation, 16), (data.test, 40)):
        assert torch.bincount(split.groups, minlength=25).tolist() == [each] * 25
    assert data.class_counts.tolist() == [700] * 5


@pytest.mark.parametrize("correlation", [0.8, 0.95, 1.0, 0.2])
def test_training_correlation_is_exact(correlation):
    train = build_data(DataConfig(attribute=AttributeConfig(correlation=correlation)), seed=1).train
    colours = train.groups % 5
    for label in range(5):
        own = colours[train.labels == label]
        assert (own == label).sum().item() == round(700 * correlation)
        others = torch.bincount(own[own != label], minlength=5)
        others = torch.cat([others[:label], others[label + 1 :]])
        assert others.max() - others.min() <= 1


def test_no_image_is_in_two_splits():
    labels = digits(DataConfig()).labels
    parts = carve(
        labels, {"meta": 100, "validation": 400, "test": 1000}, torch.Generator().manual_seed(3)
    )
    together = torch.cat(list(parts.values()))
    assert len(together) == len(labels)
    assert len(together.unique()) == len(labels)
    for part in parts.values():
        assert len(torch.bincount(labels[part]).unique()) == 1


def test_images_are_the_digit_on_its_colour(data):
    train = data.train.everything()
    for i in range(0, 3500, 500):
        colour = palette(5)[train.groups[i] % 5]
        for row in range(28):
            for column in range(28):
                pixel = train.images[i, :, row, column]
                if train.masks[i, 0, row, column] == 0:
                    assert torch.equal(pixel, colour)
                else:
                    assert pixel.unique().numel() == 1  # grey ink, untouched


def test_the_data_may_have_a_seed_of_their_own():
    device = torch.device("cpu")
    fixed = [RunConfig(seed=seed, data=DataConfig(seed=5)) for seed in (0, 1)]
    first, other = (run_data(own, device).test.everything().images for own in fixed)
    assert torch.equal(first, other)
    assert torch.equal(first, run_data(RunConfig(seed=5), device).test.everything().images)
    with pytest.raises(ValueError, match=r"data\.seed is -1: give a number from 0"):
        DataConfig(seed=-1)


def test_seed_decides_everything():
    first, again, other = (build_data(DataConfig(), seed).train.everything() for seed in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)


def test_biased_meta_set_is_drawn_like_training():
    drawn = MetaConfig(drawn="like_training", per_class=100)
    data = build_data(DataConfig(meta=drawn), seed=0)
    assert len(data.meta) == 500
    assert len(data.train) == 3600 - 500
    agreeing = (data.meta.groups % 5 == data.meta.labels).double().mean().item()
    assert 0.92 < agreeing < 0.98


def test_box_and_dilated_masks_are_on_training_images_only(data):
    for kind in ("box", "dilated"):
        other = build_data(DataConfig(masks=kind), seed=0)
        masks, exact = other.train.everything().masks, data.train.everything().masks
        assert (masks >= exact).all()
        assert masks.sum() > exact.sum()
        assert torch.equal(other.meta.everything().masks, data.meta.everything().masks)
        assert torch.equal(other.test.everything().masks, data.test.everything().masks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "digit"}, "'digit' is not known: choose among"),
        (
            {"validation_size": 101},
            "validation set's size is 101, which 5 classes or groups cannot",
        ),
        ({"test_size": 5000}, "has 1000 images, but meta, validation, test ask for 1100"),
    ],
)
def test_wrong_configs_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        build_data(replace(DataConfig(), **change), seed=0)


def test_out_of_range_values_are_named():
    with pytest.raises(ValueError, match=r"data.attribute.correlation is 1.5"):
        AttributeConfig(correlation=1.5)
    with pytest.raises(ValueError, match=r"data.test_size is 0"):
        DataConfig(test_size=0)
