"""Biases laid on the splits: which split gets which, and how they go together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from causalogit.config import AttributeConfig, DataConfig, LongTailConfig, MetaConfig, NoiseConfig
from causalogit.data import build_data

NONE = AttributeConfig(kind="none")


def counts(split, classes=5):
    return torch.bincount(split.labels, minlength=classes).tolist()


def test_a_long_tail_is_laid_on_training_images_alone():
    config = DataConfig(attribute=NONE, long_tail=LongTailConfig(ratio=100.0))
    data = build_data(config, seed=0)
    assert counts(data.train) == [700, 221, 70, 22, 7]
    assert counts(data.meta) == [20] * 5
    assert counts(data.validation) == [80] * 5
    assert counts(data.test) == [200] * 5
    assert data.num_groups == 5
    assert torch.equal(data.train.groups, data.train.labels)


def test_the_order_of_classes_is_drawn_by_the_seed():
    config = DataConfig(attribute=NONE, long_tail=LongTailConfig(10.0, "shuffled"))
    sizes = [counts(build_data(config, seed).train) for seed in range(4)]
    assert all(sorted(size) == sorted(sizes[0]) for size in sizes)
    assert len({tuple(size) for size in sizes}) > 1


def test_the_largest_class_can_be_limited():
    config = DataConfig(attribute=NONE, largest_class=100)
    assert counts(build_data(config, seed=0).train) == [100] * 5
    most = replace(config, largest_class=10**6)  # more than there are
    assert counts(build_data(most, seed=0).train) == counts(
        build_data(replace(config, largest_class=None), seed=0).train
    )


def test_wrong_labels_are_on_training_images_and_the_true_ones_are_kept():
    clean = build_data(DataConfig(), seed=0)
    data = build_data(DataConfig(noise=NoiseConfig("flip", 0.4)), seed=0)
    train = data.train
    assert torch.equal(train.true_labels, clean.train.labels)
    assert torch.equal(train.images.read(torch.arange(50))[0], clean.train.everything().images[:50])
    assert 0.36 < train.wrong.double().mean().item() < 0.44
    assert torch.equal(train.groups // 5, train.labels)
    assert torch.equal(train.groups % 5, clean.train.groups % 5)
    for name in ("meta", "validation", "test"):
        split = getattr(data, name)
        assert split.true_labels is None
        assert not split.wrong.any()
        assert torch.equal(split.labels, getattr(clean, name).labels)


def test_the_meta_set_can_be_as_noisy_as_the_rest():
    noise = NoiseConfig("uniform", 0.8)
    data = build_data(DataConfig(noise=noise, meta=MetaConfig(labels="like_training")), seed=0)
    assert 0.5 < data.meta.wrong.double().mean().item() < 0.8  # uniform: a fifth stays by chance


@pytest.mark.parametrize("labels", ["clean", "like_training"])
def test_a_meta_set_drawn_like_training_shares_its_biases(labels):
    config = DataConfig(
        attribute=NONE,
        long_tail=LongTailConfig(10.0),
        noise=NoiseConfig("flip", 0.4),
        meta=MetaConfig(per_class=40, drawn="like_training", labels=labels),
    )
    data = build_data(config, seed=0)
    assert len(data.meta) == 200
    truth = data.meta.labels if data.meta.true_labels is None else data.meta.true_labels
    shares = torch.bincount(truth, minlength=5) / 200
    assert shares[0] > 3 * shares[4]
    assert data.meta.wrong.any() == (labels == "like_training")
    indices = torch.cat([split.images.places for split in (data.meta, data.train)])
    assert len(indices.unique()) == len(indices)


@pytest.mark.parametrize("protocol", ["clt", "glt", "alt"])
def test_generalized_long_tail_protocols(protocol):
    config = DataConfig(
        long_tail=LongTailConfig(10.0),
        attribute=AttributeConfig("background", ratio=16.0, protocol=protocol),
    )
    data = build_data(config, seed=0)
    shares = torch.tensor([16 ** (-k / 4) for k in range(5)])
    shares /= shares.sum()

    def attribute_shares(split):
        behind = (split.groups % 5 - split.labels) % 5  # steps from the class's own attribute
        return torch.bincount(behind, minlength=5) / len(split)

    assert (attribute_shares(data.train) - shares).abs().max().item() < 0.02
    assert torch.allclose(attribute_shares(data.meta), torch.full((5,), 0.2))
    expected = shares if protocol == "clt" else torch.full((5,), 0.2)
    assert (attribute_shares(data.test) - expected).abs().max().item() < 0.01
    assert counts(data.test) == [200] * 5
    unequal = counts(
        build_data(DataConfig(attribute=NONE, long_tail=LongTailConfig(10.0)), 0).train
    )
    assert counts(data.train) == ([sum(unequal) // 5] * 5 if protocol == "alt" else unequal)


@pytest.mark.parametrize("kind", ["colour", "texture"])
def test_the_object_itself_can_carry_the_attribute(kind):
    data = build_data(DataConfig(attribute=AttributeConfig(kind)), seed=0)
    plain = build_data(DataConfig(attribute=NONE), seed=0)
    ours, theirs = data.test.everything(), plain.test.everything()
    outside = theirs.masks.expand_as(theirs.images) == 0
    assert torch.equal(ours.images[outside], theirs.images[outside])
    assert not torch.equal(ours.images, theirs.images)
    assert torch.bincount(data.test.groups, minlength=25).tolist() == [40] * 25


def test_all_biases_together():
    config = DataConfig(
        long_tail=LongTailConfig(10.0), noise=NoiseConfig("flip2", 0.2), transform="pad_crop_flip"
    )
    data = build_data(config, seed=0)
    assert data.name == ("digits, long tail 10:1, background correlation 0.95, flip2 noise 0.2")
    first, again = (
        data.train.batch(torch.arange(4), torch.Generator().manual_seed(0)) for _ in range(2)
    )
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, data.train.batch(torch.arange(4)).images)
    assert data.origins["meta"].startswith("100 images out of the train images of digits")


@pytest.mark.parametrize(
    ("change", "origin"),
    [
        ({}, "3500 images, all others that digits trains on"),
        ({"largest_class": 100},
         "500 of the 3500 training images of digits that were left, cut to at most 100 images a "
         "class"),
        ({"long_tail": LongTailConfig(100.0), "largest_class": 700},
         "1020 of the 3500 training images of digits that were left, cut to a long tail"),
        ({"long_tail": LongTailConfig(100.0),
          "attribute": AttributeConfig(ratio=9, protocol="alt")},
         "1020 of the 3500 training images of digits that were left, cut to classes of the same "
         "size"),
        ({"meta": MetaConfig(drawn="like_training")},
         "3500 images, all others that digits trains on"),
        ({"meta": MetaConfig(drawn="like_training"), "largest_class": 100},
         "400 of the 3600 training images of digits that were left, cut to at most 100 images a "
         "class, without the meta images"),
    ],
)  # fmt: skip
def test_the_training_images_origin_says_what_was_cut(change, origin):
    data = build_data(DataConfig(**change), seed=0)
    assert data.origins["train"] == origin
    assert origin.startswith(f"{len(data.train)} ")


def test_centre_boxes_stand_in_for_masks():
    data = build_data(DataConfig(masks="centre"), seed=0)
    for split in (data.train, data.meta):
        masks = split.batch(torch.arange(3)).masks
        assert masks.sum().item() == 3 * 22 * 22
        assert masks[:, :, 3:25, 3:25].all()


@pytest.mark.parametrize("kind", ["box", "dilated", "eroded", "shifted"])
def test_poor_masks_are_those_of_training_images_alone(kind):
    exact, poor = (build_data(DataConfig(masks=masks), seed=0) for masks in ("exact", kind))
    own, other = (data.train.batch(torch.arange(20)) for data in (exact, poor))
    assert torch.equal(own.images, other.images)
    larger, smaller = {"box": (other, own), "dilated": (other, own), "eroded": (own, other)}.get(
        kind, (own, own)
    )
    assert (larger.masks >= smaller.masks).all()
    assert not torch.equal(own.masks, other.masks)
    assert torch.equal(exact.meta.everything().masks, poor.meta.everything().masks)


def test_where_a_mask_is_missing_all_of_the_image_counts_as_object():
    whole = build_data(DataConfig(), seed=0)
    data = build_data(DataConfig(masked_share=0.75), seed=0)
    masks = data.train.everything().masks
    missing = masks.flatten(1).all(1)
    assert missing.sum().item() == 875
    assert torch.equal(masks[~missing], whole.train.everything().masks[~missing])
    assert data.name.endswith("masks on 75 %")
    assert torch.equal(data.train.batch(torch.arange(9)).masks, masks[:9])


def test_scenes_lie_behind_the_objects_and_speak_for_the_class():
    data = build_data(DataConfig(attribute=AttributeConfig("scene", 1.0)), seed=0)
    flat = build_data(DataConfig(attribute=AttributeConfig("background", 1.0)), seed=0)
    ours, theirs = data.train.everything(), flat.train.everything()
    outside = (ours.masks == 0).expand_as(ours.images)
    assert torch.equal(ours.images[~outside], theirs.images[~outside])
    assert not torch.equal(ours.images[0][outside[0]], ours.images[1][outside[1]])
    assert torch.equal(data.train.batch(torch.tensor([3])).images[0], ours.images[3])
    # red backgrounds stay the reddest
    red = ours.images[ours.labels == 0].mean((0, 2, 3))
    assert red[0] > 1.5 * red[1]


def test_classes_can_be_united_and_left_out():
    classes = {"low": ("0 or 1", "2 or 3"), "high": ("8 or 9",)}
    data = build_data(DataConfig(classes=classes, validation_size=40, test_size=100), seed=0)
    assert data.class_names == ("low", "high")
    assert len(data.attribute_names) == 2
    assert data.name == "digits, low/high, background correlation 0.95"
    total = sum(len(getattr(data, name)) for name in ("train", "meta", "validation", "test"))
    assert total == 3000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": NoiseConfig("flip"), "meta": MetaConfig(taken_from="validation")},
         "digits has no validation images of its own: set it to 'train'"),
        ({"meta": MetaConfig(per_class=800, drawn="like_training")},
         "a meta set of 4000 images leaves none of 3600 to train on"),
        ({"largest_class": 900, "long_tail": LongTailConfig(10.0)},
         "class 0 has 700 training images left"),
        ({"classes": {"low": ("0 or 1",)}}, "at least two classes"),
        ({"classes": {"low": ("0 or 1",), "high": ("0 or 1",)}}, "each of them once"),
        ({"classes": {"low": ("0 or 1",), "high": ("7",)}}, r"names \['0 or 1', '7'\]"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        build_data(DataConfig(**change), seed=0)


@pytest.mark.parametrize("change", [{"largest_class": 40}, {"long_tail": LongTailConfig(4.0)}])
def test_a_long_tail_keeps_images_of_every_group(change, tmp_path):
    """A source's own groups lie one after the other: the first of a class are not of one group."""
    draws = np.random.default_rng(0)
    lines = ["image,label,group"]
    for index in range(480):
        label, group = "ab"[index % 2], "xy"[index // 2 % 2]
        name = f"{index}.png"
        Image.fromarray(draws.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(tmp_path / name)
        lines.append(f"{name},{label},{group}")
    (tmp_path / "photos.csv").write_text("\n".join(lines))
    config = DataConfig(source=str(tmp_path / "photos.csv"), image_size=4, **change)
    data = build_data(config, seed=0)
    by_group = data.group_counts.reshape(2, 2)
    assert by_group.sum(1).tolist() == ([40, 40] if "largest_class" in change else [158, 39])
    assert (by_group.double() / by_group.sum(1, keepdim=True) - 0.5).abs().max().item() < 0.2
