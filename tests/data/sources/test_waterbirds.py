"""Waterbirds in WILDS' form, composed sets, and how groups of very different sizes are split."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from causalogit.config import DataConfig, MetaConfig
from causalogit.data import build_data
from causalogit.data.compose import ComposeConfig, compose
from causalogit.data.sources import find_source
from causalogit.data.sources.waterbirds import composed, waterbirds
from tests.data.pictures import write_pictures

HEADER = "img_id,img_filename,y,split,place,place_filename"


@pytest.fixture
def birds(photo, tmp_path):
    """Writes a set of so many (class, place) images of each split, masks beside it."""

    def write(**splits: tuple[int, int, int, int]):
        rows = []
        for number, counts in enumerate(splits[name] for name in ("train", "val", "test")):
            for group, count in enumerate(counts):
                for _ in range(count):
                    name = f"{group // 2:03}.Bird/{len(rows)}"
                    photo(f"birds/{name}.jpg", 8, 8)
                    photo(f"masks/{name}.png", 8, 8, "L")
                    rows.append(
                        f"{len(rows)},{name}.jpg,{group // 2},{number},{group % 2},/b/beach/1.jpg"
                    )
        (tmp_path / "birds/metadata.csv").write_text("\n".join([HEADER, *rows]))
        return tmp_path / "birds"

    return write


def named(root, **options):
    return DataConfig(source="waterbirds", path=str(root), image_size=8, **options)


def test_waterbirds(birds, tmp_path):
    root = birds(train=(5, 2, 1, 3), val=(1, 1, 1, 1), test=(2, 2, 1, 1))
    samples = waterbirds(named(root))
    assert samples.class_names == ("landbird", "waterbird")
    assert samples.attribute_names == ("land", "water")
    assert samples.object_name == "bird"
    groups = samples.labels * 2 + samples.attributes
    for part, sizes in ((0, [5, 2, 1, 3]), (1, [1, 1, 1, 1]), (2, [2, 2, 1, 1])):
        assert torch.bincount(groups[samples.parts == part], minlength=4).tolist() == sizes
    assert not samples.images.has_masks
    masked = waterbirds(named(root, mask_path=str(tmp_path / "masks")))
    with Image.open(tmp_path / "masks/000.Bird/0.png") as mask:
        wanted = torch.from_numpy(np.asarray(mask).copy())
    assert torch.equal(masked.images.read(torch.tensor([0]))[1][0, 0], wanted / 255)


def test_a_small_set_of_waterbirds_shape_is_split(birds):
    # the real one has 3498, 184, 56 and 1057 training images
    data = build_data(
        named(birds(train=(350, 18, 6, 106), val=(46, 46, 13, 13), test=(22, 22, 6, 6))), seed=0
    )
    assert torch.bincount(data.meta.groups).tolist() == [5, 5, 3, 7]
    assert data.group_counts.tolist() == [345, 13, 3, 99]
    assert torch.bincount(data.validation.groups).tolist() == [46, 46, 13, 13]
    assert torch.bincount(data.test.groups).tolist() == [22, 22, 6, 6]
    assert "carved" not in data.origins["validation"]


def test_groups_that_are_large_enough_share_the_meta_set_evenly(birds):
    data = build_data(named(birds(train=(40, 18, 10, 30), val=(2,) * 4, test=(2,) * 4)), seed=0)
    assert torch.bincount(data.meta.groups).tolist() == [5, 5, 5, 5]


def test_an_empty_group_is_no_obstacle(birds):
    data = build_data(named(birds(train=(40, 0, 0, 30), val=(4,) * 4, test=(2,) * 4)), seed=0)
    assert data.group_counts.tolist() == [30, 0, 0, 20]
    assert torch.bincount(data.meta.groups, minlength=4).tolist() == [10, 0, 0, 10]
    own = MetaConfig(taken_from="validation", per_class=4)
    data = build_data(named(birds(train=(40, 0, 0, 30), val=(4,) * 4, test=(2,) * 4), meta=own), 0)
    assert torch.bincount(data.meta.groups).tolist() == [2, 2, 2, 2]
    assert torch.bincount(data.validation.groups).tolist() == [2, 2, 2, 2]
    assert data.group_counts.tolist() == [40, 0, 0, 30]


def test_too_many_meta_images_are_refused_by_the_groups_name(birds):
    root = birds(train=(40, 18, 3, 4), val=(2,) * 4, test=(2,) * 4)
    message = (
        "the class of group waterbird, land has 7 images, but meta ask for 10: add images of it, "
        r"or set data\.meta\.per_class lower"
    )
    with pytest.raises(ValueError, match=message):
        build_data(named(root), seed=0)


def test_a_composed_set_is_read_alike_by_folder_and_by_name(tmp_path):
    write_pictures(tmp_path, {"cat": 24, "dog": 24}, {"sea": 8, "land": 8})
    out = compose(
        ComposeConfig(
            foregrounds=str(tmp_path / "objects"),
            backgrounds=str(tmp_path / "scenes"),
            pairs={"dog": "sea", "cat": "land"},
            train=24, meta=8, validation=8, test=8, size=16,
        ),
        tmp_path / "pets",
    )  # fmt: skip
    config = DataConfig(source=str(out), image_size=16)
    samples = find_source(str(out)).load(config)
    assert samples.class_names == ("dog", "cat")
    assert samples.attribute_names == ("sea", "land")
    assert samples.images.has_masks
    assert torch.bincount(samples.parts).tolist() == [24, 8, 8, 8]
    with Image.open(out / "images/000005.png") as image, Image.open(out / "masks/000005.png") as m:
        wanted = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1) / 255
        mask = torch.from_numpy(np.asarray(m).copy()) / 255
    images, masks = samples.images.read(torch.tensor([5]))
    assert torch.equal(images[0], wanted)
    assert torch.equal(masks[0, 0], mask)
    by_name = waterbirds(DataConfig(source="waterbirds", path=str(out), image_size=16))
    assert by_name.class_names == samples.class_names
    assert torch.equal(by_name.attributes, samples.attributes)
    assert by_name.object_name == "object"
    data = build_data(config, seed=0)
    assert torch.bincount(data.meta.groups).tolist() == [2, 2, 2, 2]
    assert len(data.train) == 24


def test_wrong_metadata_is_told_by_row(birds, tmp_path):
    root = birds(train=(3, 1, 1, 3), val=(1,) * 4, test=(1,) * 4)
    lines = (root / "metadata.csv").read_text().splitlines()
    lines[1] = "0,,0,0,0,x"
    lines[2] = lines[2].replace(",0,0,0,", ",bird,0,0,")
    lines[3] = lines[3].replace(",0,0,0,", ",0,7,0,")
    lines[4] = lines[4].replace(",0,0,1,", ",0,0,,")
    (root / "metadata.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="4 of 16 images") as error:
        waterbirds(named(root))
    assert str(error.value).split("\n  ")[1:] == [
        "metadata.csv, row 2: img_filename is empty",
        "metadata.csv, row 3: y is 'bird': give a number from 0 on",
        "metadata.csv, row 4: the split '7' is not known: choose among train, validation, test, "
        "meta",
        "metadata.csv, row 5: place is '': give a number from 0 on",
    ]


def test_names_that_contradict_each_other(photo, tmp_path):
    photo("a.png")
    photo("b.png")
    (tmp_path / "metadata.csv").write_text(
        "img_filename,y,split,label_name\na.png,0,0,cat\nb.png,0,0,dog\n"
    )
    with pytest.raises(ValueError, match="row 3: label_name is 'dog', but other rows name y 0 cat"):
        composed(DataConfig(source=str(tmp_path), image_size=8))


def test_a_missing_set_is_told_with_its_address(tmp_path):
    with pytest.raises(ValueError, match=r"set data\.path to it \(https://nlp\.stanford\.edu"):
        waterbirds(DataConfig(source="waterbirds"))
    with pytest.raises(ValueError, match=f"folder that has its metadata.csv: {tmp_path} has none"):
        waterbirds(named(tmp_path))
    (tmp_path / "metadata.csv").write_text("img_filename,label\n")
    with pytest.raises(ValueError, match="has no column y and no column split"):
        waterbirds(named(tmp_path))


def test_two_numbers_of_one_name_are_refused(photo, tmp_path):
    rows = ["img_id,img_filename,y,split,place,label_name"]
    for number, name in enumerate(("cat", "cat", "dog") * 2):
        photo(f"{number}.jpg", 8, 8)
        rows.append(f"{number},{number}.jpg,{number % 3},0,0,{name}")
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    with pytest.raises(ValueError, match="y 0 and 1 have one name, 'cat': give each its own"):
        waterbirds(named(tmp_path))
