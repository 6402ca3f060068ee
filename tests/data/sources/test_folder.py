"""Photo folders, with and without splits and masks."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from causalogit.config import DataConfig, MetaConfig
from causalogit.data import build_data
from causalogit.data.sources.folder import photo_folder


def config(root: Path, **options) -> DataConfig:
    return DataConfig(source=str(root), image_size=8, **options)


@pytest.fixture
def plain(photo, tmp_path):
    """Thirty cats and forty dogs, written in no order."""
    names = [f"cat/{i:02}.png" for i in range(30)] + [f"dog/{i:02}.jpg" for i in range(40)]
    random.Random(0).shuffle(names)
    for name in names:
        photo(f"photos/{name}")
    return tmp_path / "photos"


def test_sub_folders_are_classes(plain):
    samples = photo_folder(config(plain))
    assert samples.class_names == ("cat", "dog")
    assert samples.labels.tolist() == [0] * 30 + [1] * 40
    assert samples.parts is None
    assert samples.attributes is None


def test_the_order_does_not_depend_on_the_disks(plain, monkeypatch):
    first = photo_folder(config(plain)).images.read(torch.arange(70))[0]
    real = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: sorted(real(self), reverse=True))
    again = photo_folder(config(plain)).images.read(torch.arange(70))[0]
    assert torch.equal(first, again)
    assert len(first.flatten(1).unique(dim=0)) == 70


def test_hidden_files_and_litter_are_ignored(plain):
    for name in ("cat/.DS_Store", "cat/Thumbs.db", ".hidden/x.png", "dog/desktop.ini"):
        (plain / name).parent.mkdir(exist_ok=True)
        (plain / name).write_bytes(b"litter")
    assert len(photo_folder(config(plain))) == 70


@pytest.fixture
def split(photo, tmp_path):
    """Photos in splits of their own; of the cats there are two more to validate on."""
    for split, count in (("train", 30), ("valid", 4), ("test", 6), ("meta", 3)):
        for name in ("cat", "dog"):
            for i in range(count + 2 * (split == "valid" and name == "cat")):
                photo(f"photos/{split}/{name}/{i}.png")
    return tmp_path / "photos"


def sizes(data):
    return [len(s) for s in (data.train, data.meta, data.validation, data.test)]


def test_own_splits_are_used(split):
    data = build_data(config(split), seed=0)
    assert sizes(data) == [60, 6, 10, 12]
    assert data.class_names == ("cat", "dog")


def test_names_of_splits_may_be_in_any_case(split):
    for name in ("train", "valid", "test", "meta"):
        (split / name).rename(split / name.capitalize())
    samples = photo_folder(config(split))
    assert torch.bincount(samples.parts).tolist() == [60, 10, 12, 6]
    assert samples.class_names == ("cat", "dog")


def test_own_splits_can_be_cut_down_or_taken_whole(split):
    assert sizes(build_data(config(split, test_size=4), seed=0)) == [60, 6, 10, 4]
    data = build_data(config(split, validation_size=10, test_size=12), seed=0)
    assert sizes(data) == [60, 6, 10, 12]
    data = build_data(config(split, validation_size=8), seed=0)
    assert torch.bincount(data.validation.labels).tolist() == [4, 4]
    with pytest.raises(
        ValueError, match=r"class dog has 4 images, .* data\.validation_size lower$"
    ):
        build_data(config(split, validation_size=12), seed=0)


def test_own_meta_images_cannot_be_drawn_otherwise(split):
    biased = MetaConfig(drawn="like_training")
    with pytest.raises(ValueError, match=r"drawn is 'like_training', but \S+ has meta images of"):
        build_data(config(split, meta=biased), seed=0)
    shutil.rmtree(split / "meta")
    biased = MetaConfig(drawn="like_training", per_class=5)
    data = build_data(config(split, meta=biased), seed=0)
    assert sizes(data) == [50, 10, 10, 12]
    assert data.name == "photos, biased meta set"


def test_without_own_splits_shares_are_carved_out(plain):
    data = build_data(config(plain), seed=0)
    assert torch.bincount(data.meta.labels).tolist() == [10, 10]
    assert torch.bincount(data.validation.labels).tolist() == [3, 4]
    assert torch.bincount(data.test.labels).tolist() == [6, 8]
    assert torch.bincount(data.train.labels).tolist() == [11, 18]


def test_masks_have_their_photos_names(plain, photo, tmp_path):
    for i in range(30):
        photo(f"masks/cat/{i:02}.png", mode="L")
    for i in range(40):
        photo(f"masks/dog/{i:02}.bmp", mode="L")
    samples = photo_folder(config(plain, mask_path=str(tmp_path / "masks")))
    assert samples.images.has_masks
    (tmp_path / "masks/dog/07.bmp").unlink()
    (tmp_path / "masks/cat/01.png").unlink()
    with pytest.raises(ValueError, match="2 of 70 images cannot be used") as error:
        photo_folder(config(plain, mask_path=str(tmp_path / "masks")))
    assert f"\n  cat/01.png: {tmp_path}/masks/cat/01.png does not exist" in str(error.value)
    assert f"\n  dog/07.jpg: {tmp_path}/masks/dog/07.png does not exist" in str(error.value)
    with pytest.raises(ValueError, match=r"data\.mask_path nowhere is not a folder"):
        photo_folder(config(plain, mask_path="nowhere"))


def test_bad_files_are_told_with_their_names(plain, photo):
    (plain / "cat/notes.txt").write_text("five cats")
    (plain / "dog/03.jpg").write_bytes((plain / "dog/03.jpg").read_bytes()[:300])
    with pytest.raises(ValueError, match="2 of 71 images cannot be used") as error:
        photo_folder(config(plain))
    assert "cat/notes.txt: notes.txt is not a readable image" in str(error.value)
    assert "dog/03.jpg: 03.jpg is not a readable image" in str(error.value)


def test_folders_that_are_not_made_like_that(plain, photo):
    (plain / "cow").mkdir()
    with pytest.raises(ValueError, match=r"cow has no images: remove the folder"):
        photo_folder(config(plain))
    (plain / "cow" / "brown").mkdir()
    with pytest.raises(ValueError, match=r"brown is a folder: put the photos of a class into"):
        photo_folder(config(plain))
    with pytest.raises(ValueError, match=r"cat holds 00.png beside its folders"):
        photo_folder(config(plain / "cat"))
    photo("one/cat/a.png")
    with pytest.raises(ValueError, match="has one class, 'cat'"):
        photo_folder(config(plain.parent / "one"))
    (plain.parent / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no folders: make one for each class"):
        photo_folder(config(plain.parent / "empty"))
    photo("split/train/cat/a.png")
    photo("split/tset/cat/a.png")
    with pytest.raises(ValueError, match=r"tset is not a split: beside \S*train there may be"):
        photo_folder(config(plain.parent / "split"))
    (plain.parent / "split" / "tset").rename(plain.parent / "split" / "test")
    photo("split/test/cow/a.png")
    with pytest.raises(ValueError, match=r"test/cow/a\.png: no training image has the label"):
        photo_folder(config(plain.parent / "split"))


def test_a_class_named_train_is_a_class(photo, tmp_path):
    photo("photos/train/a.png")
    photo("photos/car/a.png")
    assert photo_folder(config(tmp_path / "photos")).class_names == ("car", "train")


def test_a_class_too_small_for_the_shares_is_named(photo, plain):
    for i in range(12):
        photo(f"photos/cow/{i}.png")
    with pytest.raises(ValueError, match="class cow has 12 images, but meta, validation, test ask"):
        build_data(config(plain), seed=0)
    fewer = build_data(config(plain, meta=MetaConfig(per_class=5)), seed=0)
    assert torch.bincount(fewer.train.labels).tolist() == [16, 4, 23]


def test_two_photos_do_not_share_a_mask(plain, photo, tmp_path):
    for path in sorted(plain.rglob("*.*")):
        photo(f"masks/{path.relative_to(plain).with_suffix('.png')}", mode="L")
    photo("photos/cat/03.jpg")
    with pytest.raises(
        ValueError, match=r"cat/03\.png: its mask .* is that of cat/03\.jpg: rename"
    ):
        photo_folder(config(plain, mask_path=str(tmp_path / "masks")))


def test_names_that_are_no_text_are_refused(plain):
    os.rename(os.fsencode(plain / "cat"), os.fsencode(plain) + b"/caf\xe9")
    with pytest.raises(ValueError, match=r"photos holds a name that is not UTF-8, 'caf\\udce9'"):
        photo_folder(config(plain))


def test_masks_without_any_background_are_told_of(plain, tmp_path, caplog):
    for path in sorted(plain.rglob("*.*")):
        mask = tmp_path / "masks" / path.relative_to(plain).with_suffix(".png")
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (12, 10), 255).save(mask)
    photo_folder(config(plain, mask_path=str(tmp_path / "masks")))
    assert "the masks of 70 of 70 photos leave no background" in caplog.text
