"""Each kind of bad row gives its sentence, and all of them come in one error."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from causalogit.data.sources.files import Record, photos, samples_from_records


@pytest.fixture
def good(photo):
    """Two classes in three splits, with groups, masks and boxes."""
    return [
        Record(
            f"row {i}",
            photo(f"{i}.png"),
            "cat" if i % 2 else "dog",
            group="sea" if i % 3 else "land",
            mask=photo(f"mask/{i}.png", mode="L"),
            box=(1, 1, 5, 5),
            split=("train", "train", "test", "validation")[i % 4],
        )
        for i in range(16)
    ]


def read(records, **options):
    return samples_from_records(records, source="photos.csv", size=8, **options)


def told(records, **options):
    with pytest.raises(ValueError, match=r"photos\.csv") as error:
        read(records, **options)
    return str(error.value).split("\n  ")


def test_good_records_become_samples(good):
    samples = read(good, object_name="pet")
    assert samples.class_names == ("cat", "dog")
    assert samples.attribute_names == ("land", "sea")
    assert samples.labels.tolist() == [(i + 1) % 2 for i in range(16)]
    assert samples.attributes.tolist() == [int(i % 3 > 0) for i in range(16)]
    assert samples.parts.tolist() == [(0, 0, 2, 1)[i % 4] for i in range(16)]
    assert samples.object_name == "pet"
    assert samples.images.has_masks
    plain = [replace(r, group=None, mask=None, box=None, split=None) for r in good]
    samples = read(plain)
    assert samples.attributes is None
    assert samples.parts is None
    assert not samples.images.has_masks


def test_numbers_are_ordered_by_value(good):
    names = ["10", "9", "2", "1"]
    records = [replace(r, label=names[i % 4], split=None) for i, r in enumerate(good)]
    assert read(records).class_names == ("1", "2", "9", "10")


ALL = "though others have: give it for all or for none"
BAD = [
    ({"image": Path("no.png")}, "no.png does not exist"),
    ({"box": (0, 0, 13, 5)}, "the box 0 0 13 5 is not inside of the image's 12 x 10 pixels"),
    ({"mask": None, "box": None}, f"has no mask or box, {ALL.replace('all', 'all of a split')}"),
    ({"group": None}, f"has no group, {ALL}"),
    ({"split": None}, f"has no split, {ALL}"),
    ({"label": ""}, "the label is empty"),
    ({"label": "cow", "split": "test"}, "no training image has the label 'cow'"),
    (
        {"split": "tset"},
        "the split 'tset' is not known: choose among train, validation, test, meta",
    ),
    ({"image": Path("no"), "problem": "has 3 values for 4 columns"}, "has 3 values for 4 columns"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_every_kind_of_bad_row(good, change, message):
    good[5] = replace(good[5], **change)
    assert told(good) == ["photos.csv: 1 of 16 images cannot be used", f"row 5: {message}"]


def test_masks_of_the_meta_images_alone(good):
    good = [replace(r, split=("train", "meta")[i // 12], box=None) for i, r in enumerate(good)]
    good = [replace(r, mask=None) if r.split == "train" else r for r in good]
    samples = read(good)
    meta, train = (samples.images_at(samples.part(name)) for name in ("meta", "train"))
    assert meta.has_masks
    assert meta.read(torch.arange(4))[1].shape == (4, 1, 8, 8)
    assert not train.has_masks
    assert train.read(torch.arange(12))[1] is None
    assert not samples.images_at(torch.arange(16)).has_masks
    assert not samples.take(torch.arange(11, 14)).images_at(torch.arange(3)).has_masks
    assert samples.take(torch.arange(11, 14)).images_at(torch.arange(1, 3)).has_masks


def test_of_masks_that_are_missing_it_is_said_what_makes_them(good):
    good[5] = replace(good[5], mask=Path("no.png"))
    assert told(good)[1:] == [
        "row 5: no.png does not exist",
        "masks that are missing: `causalogit masks --mask_path` makes them",
    ]


def test_bad_files(good, photo):
    whole = good[3].image.read_bytes()
    good[3].image.write_bytes(whole[: len(whole) // 2])
    good[4].mask.write_bytes(b"")
    photo("mask/7.png", 11, 10, "L")
    Image.new("L", (12, 10)).save(good[8].mask)
    first, *rest = told(good)
    assert first == "photos.csv: 4 of 16 images cannot be used"
    assert rest[0].startswith("row 3: 3.png is not a readable image (")
    assert rest[1].startswith("row 4: the mask ")
    assert rest[1].endswith("4.png is not a readable image (no image format that is known)")
    assert rest[2].endswith("7.png has 11 x 10 pixels, its image 12 x 10")
    assert rest[3].startswith(f"row 8: the mask {good[8].mask} shows no object: ")


def test_a_photo_in_two_splits(good):
    good[6] = replace(good[6], image=good[4].image)  # the same file
    shutil.copy(good[1].image, good[7].image)  # the same bytes
    assert told(good)[1:] == [
        "row 6: is the same image as row 4, but in test, not in train",
        "row 7: is the same image as row 1, but in validation, not in train",
    ]


def test_a_photo_with_two_labels(good):
    shutil.copy(good[0].image, good[1].image)
    assert told(good)[1:] == [
        "row 1: is the same image as row 0, but labelled 'cat', not 'dog'"
    ]  # fmt: skip


def test_a_photo_in_two_groups(good):
    shutil.copy(good[0].image, good[4].image)
    good[4] = replace(good[4], group="lake")
    assert told(good)[1:] == ["row 4: is the same image as row 0, but in group 'lake', not 'land'"]


def test_copies_within_a_split_are_left_out_and_that_is_said(good, caplog):
    for place in (4, 8):
        shutil.copy(good[0].image, good[place].image)
        good[place] = replace(good[place], group="land")
    with caplog.at_level(logging.WARNING):
        samples = read(good)
    assert len(samples) == 14
    assert samples.labels.tolist() == [(i + 1) % 2 for i in range(16) if i not in (4, 8)]
    assert "left out as copies of others, byte for byte: 2 (the first: row 4)" in caplog.text


def test_many_bad_rows_come_in_one_error_in_their_order(photo, tmp_path):
    photo("whole.png")
    records = [
        Record(f"row {i}", tmp_path / f"{i}.png", "" if i % 2 else "cat", split="tset")
        for i in range(30)
    ]
    first, *rest = told(records)
    assert first == "photos.csv: 30 of 30 images cannot be used"
    assert len(rest) == 21
    assert rest[0].startswith("row 0: ")
    # of the 75: a file and a split of each, and a label of every other
    assert rest[-1] == "and 55 more"


def test_large_sets_are_not_decoded_but_their_files_are_looked_for(good):
    good[3].image.write_bytes(b"broken")
    samples = read(good, decode=False)
    assert samples.images.read(torch.tensor([2]))[0].shape == (1, 3, 8, 8)
    with pytest.raises(ValueError, match=r"^row 3: 3\.png is not a readable image"):
        samples.images.read(torch.tensor([2, 3]))
    good[5].image.unlink()
    good[6].mask.unlink()
    good[7] = replace(good[7], image=good[4].image)
    rest = told(good, decode=False)[1:]
    assert [line.split(":")[0] for line in rest] == [
        "row 5", "row 6", "row 7", "masks that are missing",
    ]  # fmt: skip


def test_classes_that_are_given(good):
    names = ["dog", "cat", "cow"]
    samples = read(good, class_names=names, attribute_names=["sea", "land"])
    assert samples.class_names == ("dog", "cat", "cow")
    assert samples.labels.tolist() == [i % 2 for i in range(16)]
    assert samples.attributes.tolist() == [int(i % 3 == 0) for i in range(16)]
    assert told(good, class_names=["dog", "cow"])[1] == "row 1: the label 'cat' is not a class"


def test_too_little(good):
    with pytest.raises(ValueError, match=r"photos\.csv has no images"):
        read([])
    with pytest.raises(ValueError, match="has one class, 'cat': give at least two"):
        read([replace(record, label="cat") for record in good])
    with pytest.raises(ValueError, match="no training image has the label 'cat'"):
        read([replace(r, split="test" if r.label == "cat" else "train") for r in good])


def test_a_set_that_is_for_tests_alone(good):
    samples = read([replace(record, split="test") for record in good])
    assert len(samples.part("train")) == 0
    assert len(samples.part("test")) == 16


def test_the_same_files_are_decoded_once_and_changed_ones_again(good, monkeypatch):
    seen = []
    real = photos.decode

    def decode(record, size, *, with_mask):
        seen.append(record.where)
        return real(record, size, with_mask=with_mask)

    monkeypatch.setattr(photos, "decode", decode)
    assert read(good) is read(list(good))
    assert len(seen) == 16
    content = good[0].image.read_bytes()
    good[0].image.write_bytes(content + b"\0")
    read(good)
    assert len(seen) == 32
