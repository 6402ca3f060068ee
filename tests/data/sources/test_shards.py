"""Tar files as WebDataset has them: what is read of them, and what is said of bad ones."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from PIL import Image

from causalogit.config import DataConfig, OptimizerConfig, RunConfig
from causalogit.data import Samples
from causalogit.data.sources import find_source
from causalogit.data.sources.files.photos import LazyImages
from causalogit.data.sources.folder import photo_folder
from causalogit.data.sources.shards import shards
from causalogit.train import train

Member = tuple[str, bytes]
Write = Callable[..., Path]


def png(colour: int, mode: str = "RGB", size: tuple[int, int] = (8, 8)) -> bytes:
    content = io.BytesIO()
    Image.new(mode, size, colour if mode == "L" else (colour, 0, 0)).save(content, "PNG")
    return content.getvalue()


def sample(key: str, colour: int, **facts: object) -> list[Member]:
    return [(f"{key}.png", png(colour)), (f"{key}.json", json.dumps(facts).encode())]


@pytest.fixture
def shard(tmp_path: Path) -> Write:
    """Writes a tar file of these members."""

    def write(name: str, members: Iterable[Member], mode: str = "w") -> Path:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, mode) as tar:
            for member, content in members:
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return path

    return write


def read(tmp_path: Path, **options: object) -> Samples:
    return shards(DataConfig(source=f"wds:{tmp_path / 'set'}", image_size=8, **options))


def reds(samples: Samples, index: Iterable[int]) -> list[int]:
    return (samples.images.read(torch.tensor(list(index)))[0][:, 0, 0, 0] * 255).round().tolist()


def test_samples_of_all_splits_in_the_order_of_the_files(shard: Write, tmp_path: Path) -> None:
    # as numbers, 10 is behind 9
    names = {"pets-val-000": [9, 10], "pets-train-001": [10], "pets-train-000": [9, 10, 9]}
    colour = 0
    for name, labels in names.items():
        members = []
        for label in labels:
            colour += 1
            members += [(f"a/{colour}.png", png(colour)), (f"a/{colour}.cls", b"%d\n" % label)]
        shard(f"{name}.tar", members)
    samples = read(tmp_path)
    assert samples.class_names == ("9", "10")
    assert samples.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert samples.parts is not None
    assert samples.parts.tolist() == [0, 0, 0, 0, 1, 1]
    assert samples.attributes is None
    assert samples.masked is None
    assert not samples.images.has_masks
    assert reds(samples, range(6)) == [4, 5, 6, 3, 1, 2]
    assert reds(samples, [5, 0]) == [2, 4]


@pytest.mark.parametrize("folder", ["train", "."])
def test_without_splits_all_are_of_training(shard: Write, tmp_path: Path, folder: str) -> None:
    shard(f"{folder}/0.tar", [*sample("a", 1, label="cat"), *sample("b", 2, label="dog")])
    samples = read(tmp_path)
    assert samples.class_names == ("cat", "dog")
    assert samples.parts is None
    assert samples.part("train").tolist() == [0, 1]


def test_masks_and_groups(shard: Write, tmp_path: Path) -> None:
    mask = Image.new("L", (8, 8))
    mask.paste(255, (2, 2, 6, 6))
    content = io.BytesIO()
    mask.save(content, "PNG")
    mask_file = ("a.mask.png", content.getvalue())
    shard("train/0.tar", [*sample("a", 1, label=0, group="sea"), mask_file])
    other = shard("val/0.tar", sample("b", 2, label=1, group="forest"))
    shard("train/1.tar", [*sample("a", 3, label=1, group="sea"), mask_file])
    samples = read(tmp_path)
    assert samples.attribute_names == ("forest", "sea")
    assert samples.attributes is not None
    assert samples.attributes.tolist() == [1, 1, 0]
    assert samples.masked is not None
    assert samples.masked.tolist() == [True, True, False]
    masks = samples.images.read(torch.tensor([2, 0]))[1]
    assert masks is not None
    assert masks.sum((1, 2, 3)).tolist() == [0, 16]
    other.rename(other.parents[1] / "train" / "2.tar")
    with pytest.raises(ValueError, match=r"1 of 3 samples of the split train have no mask \(mask"):
        read(tmp_path)


def test_one_file_or_a_pattern(shard: Write, tmp_path: Path) -> None:
    pair = [*sample("a", 1, label=0), *sample("b", 2, label=1)]
    one = shard("0.tar", pair)
    shard("1.tar", pair)
    shard("other.tar", pair)
    counts = [
        len(shards(DataConfig(source=f"wds:{path}", image_size=8)))
        for path in (one, one.parent / "[0-9].tar", one.parent)
    ]
    assert counts == [2, 4, 6]


def test_pixels_are_those_of_the_same_files_in_a_folder(
    shard: Write, photo: Write, tmp_path: Path
) -> None:
    members = []
    for number in range(4):
        file = photo(f"folder/{['cat', 'dog'][number % 2]}/{number}.png", 20, 14)
        members += [
            (f"{number}.png", file.read_bytes()),
            (f"{number}.cls", file.parent.name.encode()),
        ]
    shard("0.tar", members)
    samples = read(tmp_path)
    folder = photo_folder(DataConfig(source=str(tmp_path / "folder"), image_size=8))
    order = samples.labels.argsort(stable=True)  # a folder is read class by class
    everything = torch.arange(4)
    assert torch.equal(samples.images.read(order)[0], folder.images.read(everything)[0])


def test_nothing_is_kept_of_a_set_that_does_not_fit(shard: Write, tmp_path: Path) -> None:
    shard("0.tar", [*sample("a", 1, label=0), *sample("b", 2, label=1)])
    images = read(tmp_path, memory=0).images
    assert isinstance(images, LazyImages)
    assert not images.keeps


BAD: dict[str, tuple[list[Member], str]] = {
    "no image": ([("a.cls", b"0")], "0.tar, a: it has no image, only cls"),
    "no class": (
        [("a.png", png(1))],
        "0.tar, a: it has no class: give it a .cls file",
    ),
    "a list": ([("a.png", png(1)), ("a.json", b"[]")], "0.tar, a: its .json is no object"),
    "no JSON": ([("a.png", png(1)), ("a.json", b"{")], "0.tar, a: Expecting property name"),
    "bytes": ([("a.png", png(1)), ("a.cls", b"\xff")], "0.tar, a: 'utf-8' codec can't decode"),
    "a group": (
        [*sample("a", 1, label=0, group="sea"), *sample("b", 2, label=1)],
        "some samples have a group, and some have none",
    ),
    "one class": (sample("a", 1, label=0), "has one class: give at least two"),
    "nothing": ([], "has no samples"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said(shard: Write, tmp_path: Path, name: str) -> None:
    members, message = BAD[name]
    shard("0.tar", members)
    with pytest.raises(ValueError, match=r"^data.source wds:") as caught:
        read(tmp_path)
    assert message in str(caught.value)


def test_bad_samples_are_listed_together_the_first_by_name(shard: Write, tmp_path: Path) -> None:
    shard("0.tar", [(f"{number}.cls", b"0") for number in range(7)])
    with pytest.raises(ValueError, match="cannot be used") as caught:
        read(tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 7
    assert lines[-1].strip() == "..."


def test_a_class_that_training_lacks(shard: Write, tmp_path: Path) -> None:
    shard("train.tar", [*sample("a", 1, label="cat"), *sample("b", 2, label="dog")])
    shard("test.tar", sample("c", 3, label="cow"))
    with pytest.raises(ValueError, match="no training image is a 'cow'"):
        read(tmp_path)


def test_files_that_are_no_whole_tar_files(shard: Write, tmp_path: Path) -> None:
    pair = [*sample("a", 1, label=0), *sample("b", 2, label=1)]
    path = shard("0.tar", pair, "w:gz")
    with pytest.raises(ValueError, match="give whole tar files that are not compressed"):
        read(tmp_path)
    content = shard("0.tar", pair).read_bytes()
    path.write_bytes(content[:700])
    with pytest.raises(ValueError, match="give whole tar files that are not compressed"):
        read(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=r"there is no \.tar file"):
        read(tmp_path)


def test_an_image_that_cannot_be_decoded_is_named(shard: Write, tmp_path: Path) -> None:
    bad = [("deep/b.png", b"no image"), ("deep/b.cls", b"1")]
    shard("0.tar", [*sample("a", 1, label=0), *bad])
    samples = read(tmp_path)
    with pytest.raises(ValueError, match=r"0\.tar, deep/b\.png: the image is not a readable image"):
        samples.images.read(torch.tensor([0, 1]))


def test_the_whole_way(shard: Write, tmp_path: Path) -> None:
    members = [
        member
        for number in range(60)
        for member in sample(f"{number:03}", number % 2 * 200, label=number % 2)
    ]
    shard("0.tar", members)
    data = DataConfig(source=f"wds:{tmp_path / 'set'}", image_size=16)
    assert find_source(data.source).load is shards
    config = RunConfig(
        data=data, model="lenet", method="meta_lp", optimizer=OptimizerConfig(epochs=1)
    )
    outcome = train(config, tmp_path / "run")
    assert outcome is not None
    assert (tmp_path / "run" / "last.ckpt").is_file()


def test_files_that_are_all_for_a_test_are_told(shard):
    shard("test-0.tar", [*sample("a", 1, label=0), *sample("b", 2, label=1)])
    config = DataConfig(source=f"wds:{shard('test-1.tar', sample('c', 1, label=0)).parent}")
    with pytest.raises(ValueError, match=r"no training images: the names .* say test"):
        shards(config)


def test_hidden_files_are_no_samples(shard):
    members = [*sample("a", 1, label=0), ("._a.png", b"of macOS"), *sample("b", 2, label=1)]
    assert len(shards(DataConfig(source=f"wds:{shard('all.tar', members)}", image_size=8))) == 2
