"""CelebA, ImageNet-LT and the GLT benchmarks, each as its makers lay it out."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import torch

from causalogit.config import AttributeConfig, DataConfig
from causalogit.data import build_data
from causalogit.data.samples import PARTS
from causalogit.data.sources.celeba import celeba
from causalogit.data.sources.glt import imagenet_glt, mscoco_glt
from causalogit.data.sources.imagenet_lt import imagenet_lt


def config(name, root, protocol="glt"):
    return DataConfig(
        source=name,
        path=None if root is None else str(root),
        image_size=8,
        attribute=AttributeConfig(protocol=protocol),
    )


FACES = [(blond, male, part) for part in range(3) for blond in (1, -1) for male in (1, -1)] * 12


@pytest.fixture(params=["csv", "txt", "kaggle"])
def faces(request, photo, tmp_path):
    """144 faces, in WILDS' form, the authors', or Kaggle's, whose photos lie one folder deeper."""
    folder = "img_align_celeba/" * (2 if request.param == "kaggle" else 1)
    for i in range(len(FACES)):
        photo(f"{folder}{i:06}.jpg")
    attributes = [
        (f"{i:06}.jpg", -1, blond, male, 1) for i, (blond, male, _) in enumerate(FACES)
    ]  # fmt: skip
    partition = [(f"{i:06}.jpg", part) for i, (_, _, part) in enumerate(FACES)]
    names = ("5_o_Clock_Shadow", "Blond_Hair", "Male", "Young")
    if request.param == "txt":
        heads = {"list_attr_celeba": [(len(FACES),), names], "list_eval_partition": []}
        mark, suffix = "  ", "txt"
    else:
        heads = {
            "list_attr_celeba": [("image_id", *names)],
            "list_eval_partition": [("image_id", "partition")],
        }
        mark, suffix = ",", "csv"
    for name, rows in (("list_attr_celeba", attributes), ("list_eval_partition", partition[::-1])):
        lines = [mark.join(map(str, row)) for row in (*heads[name], *rows)]
        (tmp_path / f"{name}.{suffix}").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_celeba_is_blond_hair_by_gender(faces):
    samples = celeba(config("celeba", faces))
    assert samples.class_names == ("not blond", "blond")
    assert samples.attribute_names == ("female", "male")
    assert samples.labels.tolist() == [int(blond == 1) for blond, _, _ in FACES]
    assert samples.attributes.tolist() == [int(male == 1) for _, male, _ in FACES]
    assert samples.parts.tolist() == [part for _, _, part in FACES]
    assert samples.images.read(torch.tensor([0, 5]))[0].shape == (2, 3, 8, 8)
    data = build_data(config("celeba", faces), seed=0)
    assert torch.bincount(data.meta.groups).tolist() == [5, 5, 5, 5]
    assert data.group_counts.tolist() == [7, 7, 7, 7]


def test_faces_that_are_missing(faces, tmp_path):
    photo = next(faces.rglob("000003.jpg"))
    photo.unlink()
    with pytest.raises(ValueError, match=r"1 of 144 images cannot be used\n  list_attr_celeba"):
        celeba(config("celeba", faces))
    next(faces.glob("list_eval*")).unlink()
    with pytest.raises(ValueError, match=r"neither list_eval_partition\.csv nor list_eval_part"):
        celeba(config("celeba", faces))
    with pytest.raises(ValueError, match=r"celeba is not downloaded: set data\.path"):
        celeba(config("celeba", None))


@pytest.fixture(params=[True, False], ids=["flat", "folders"])
def imagenet(request, photo, tmp_path):
    """Two classes of ImageNet, and the three lists."""
    lists = {"train": [], "val": [], "test": []}
    for label, (name, count) in enumerate((("n01440764", 30), ("n01443537", 5))):
        for i in range(count + 20):
            photo(f"train/{name}/{name}_{i}.JPEG")
            lists["train" if i < count else "val"].append(f"train/{name}/{name}_{i}.JPEG {label}")
        for i in range(3):
            file = f"ILSVRC2012_val_{label}{i}.JPEG"
            photo(f"val/{file}" if request.param else f"val/{name}/{file}")
            lists["test"].append(f"val/{name}/{file} {label}")
    for name, lines in lists.items():
        (tmp_path / f"ImageNet_LT_{name}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_imagenet_lt_takes_its_meta_set_from_validation(imagenet):
    data = build_data(config("imagenet_lt", imagenet), seed=0)
    assert data.class_names == ("n01440764", "n01443537")
    assert data.class_counts.tolist() == [30, 5]
    for split, each in ((data.meta, 10), (data.validation, 10), (data.test, 3)):
        assert torch.bincount(split.labels).tolist() == [each, each]
    assert data.test.everything().images.shape == (6, 3, 8, 8)


def test_lists_that_are_wrong(imagenet):
    next((imagenet / "val").rglob("*_11.JPEG")).unlink()
    with pytest.raises(ValueError, match=r"1 of 81 images .*\n  ImageNet_LT_test\.txt, line 5: "):
        imagenet_lt(config("imagenet_lt", imagenet))
    train = imagenet / "ImageNet_LT_train.txt"
    whole = train.read_text()
    train.write_text(whole + "train/n01443537/x.JPEG\n")
    with pytest.raises(ValueError, match=r"ImageNet_LT_train\.txt, line 36: '.*' is not a path"):
        imagenet_lt(config("imagenet_lt", imagenet))
    train.write_text(whole.replace(" 0\n", " 2\n"))
    with pytest.raises(ValueError, match="leaves labels out"):
        imagenet_lt(config("imagenet_lt", imagenet))
    train.unlink()
    with pytest.raises(ValueError, match=r"has no readable ImageNet_LT_train\.txt: get it from ht"):
        imagenet_lt(config("imagenet_lt", imagenet))
    with pytest.raises(ValueError, match=r"imagenet_lt is not downloaded: set data\.path"):
        imagenet_lt(config("imagenet_lt", None))


SIZES = {"train": 9, "val": 3, "test_lt": 3, "test_bl": 6, "test_bbl": 9}


def parts(keys, path):
    """The five parts of an annotation file; `keys` gives a photo's key, `path` its path."""
    content, number = {}, 0
    for part, size in SIZES.items():
        content[part] = {"label": {}, "frequency": {}, "attribute": {}}
        if path is not None:
            content[part]["path"] = {}
        for label in range(2):
            for i in range(size):
                key = keys(label, number)
                content[part]["label"][key] = str(label) if path is None else label
                content[part]["frequency"][key] = 0
                # the balanced test set alone has as many rare attributes as others
                content[part]["attribute"][key] = i % 3 if part == "test_bbl" else int(i > 4)
                if path is not None:
                    content[part]["path"][key] = path(key)
                number += 1
    return content


@pytest.fixture
def glt(photo, tmp_path):
    """Both annotation files of ImageNet-GLT; the balanced one has photos of its own."""
    names = {"0": "n01", "1": "n02"}

    def key(tail):
        return lambda label, number: (
            f"/data4/imagenet/train/{names[str(label)]}/{tail}{number}.JPEG"
        )

    for tail in ("lt", "bl"):
        content = {"cat2id": {v: k for k, v in names.items()}, "id2cat": names}
        content |= parts(key(tail), None)
        for part in SIZES:
            for path in content[part]["label"]:
                photo("train/" + "/".join(path.split("/")[-2:]))
        file = tmp_path / f"imagenet_sup_intra_lt_inter_{tail}.json"
        file.write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def coco(photo, tmp_path):
    """Both folders of MSCOCO-GLT."""
    for name in ("coco_glt", "coco_cbl"):
        content = {"cat2id": {"person": 0, "boat": 1}, "id2cat": {0: "person", 1: "boat"}}
        content |= parts(lambda _, number: str(1000 + number), lambda k: f"/data4/images/{k}.jpg")
        for part in SIZES:
            for key in content[part]["label"]:
                photo(f"{name}/images/{key}.jpg")
        (tmp_path / name / "annotation.json").write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize("protocol", ["clt", "glt", "alt"])
def test_the_protocol_chooses_training_and_test_images(glt, protocol):
    samples = imagenet_glt(config("imagenet_glt", glt, protocol))
    assert samples.class_names == ("n01", "n02")
    counts = Counter(PARTS[part] for part in samples.parts.tolist())
    assert counts == {"train": 18, "validation": 6, "test": 12 if protocol == "clt" else 18}
    test = samples.part("test")
    spread = [4 + 6, 2, 0] if protocol == "clt" else [6, 6, 6]
    assert torch.bincount(samples.attributes[test], minlength=3).tolist() == spread
    # the two files name different photos
    tail = "bl" if protocol == "alt" else "lt"
    for path in (glt / "train/n01").glob(f"{tail}*"):
        path.unlink()
    with pytest.raises(ValueError, match=rf"inter_{tail}\.json, train {tail}\d+\.JPEG: "):
        imagenet_glt(config("imagenet_glt", glt, protocol))


@pytest.mark.parametrize("protocol", ["clt", "glt", "alt"])
def test_crops_of_coco(coco, protocol):
    samples = mscoco_glt(config("mscoco_glt", coco, protocol))
    assert samples.class_names == ("person", "boat")
    assert samples.attribute_names == ("frequent", "middling", "rare")
    assert len(samples.part("test")) == (12 if protocol == "clt" else 18)
    folder = coco / ("coco_cbl" if protocol == "alt" else "coco_glt")
    samples.images.read(torch.arange(len(samples)))
    (folder / "images/1000.jpg").unlink()
    with pytest.raises(ValueError, match=r"annotation\.json, train 1000\.jpg: \S* does not exist"):
        mscoco_glt(config("mscoco_glt", coco, protocol))


def test_glt_is_split_by_default(glt):
    data = build_data(config("imagenet_glt", glt), seed=0)
    assert torch.bincount(data.meta.labels).tolist() == [2, 2]
    assert torch.bincount(data.meta.groups).tolist() == [1, 1, 0, 1, 1]
    assert data.num_groups == 6


def test_annotations_that_are_wrong(glt, coco):
    file = glt / "imagenet_sup_intra_lt_inter_bl.json"
    content = json.loads(file.read_text())
    del content["val"]
    for text, message in (
        (json.dumps(content), r"is not one of the published annotation files \(KeyError\('val'\)"),
        ("{", "is not complete JSON"),
        ("[]", "is not one of the published annotation files"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=message):
            imagenet_glt(config("imagenet_glt", glt, "alt"))
    file.unlink()
    with pytest.raises(ValueError, match=r"inter_bl\.json is missing: make it as https://github"):
        imagenet_glt(config("imagenet_glt", glt, "alt"))
    for read in (imagenet_glt, mscoco_glt):
        with pytest.raises(
            ValueError, match=r"_glt is not downloaded: set data\.path to the folde"
        ):
            read(config("any", None))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"ImageNet_LT_val\.txt is empty"),
        (b"val/a.JPEG 5\n", r"ImageNet_LT_val\.txt, line 1: label 5 is of no training image"),
        (b"val/\xe9.JPEG 0\n", r"no readable ImageNet_LT_val\.txt"),
    ],
)
def test_a_damaged_list_of_imagenet_is_told(content, message, imagenet):
    (imagenet / "ImageNet_LT_val.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        imagenet_lt(config("imagenet_lt", imagenet))


@pytest.mark.parametrize(("content", "message"), [(b"", "cut short"), (b"\xe9", "cannot be read")])
def test_a_damaged_list_of_faces_is_told(content, message, tmp_path):
    (tmp_path / "list_eval_partition.txt").touch()
    (tmp_path / "list_attr_celeba.txt").write_bytes(content)
    with pytest.raises(ValueError, match=rf"list_attr_celeba\.txt (is )?{message}: get it from"):
        celeba(config("celeba", tmp_path))
