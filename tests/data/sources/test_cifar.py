"""CIFAR from folders and archives of images, and from torchvision's files."""

from __future__ import annotations

import hashlib
import pickle
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from causalogit.config import DataConfig
from causalogit.data import build_data
from causalogit.data.sources import cifar, find_source


@pytest.fixture
def images(photo, tmp_path):
    """Three training and two test photos of each of two classes."""
    for part, count in (("train", 3), ("test", 2)):
        for name in ("frog", "ship"):
            for i in range(count):
                photo(f"cifar/{part}/{name}/{i:04}.png", 32, 32)
    return tmp_path / "cifar"


def check(samples, images):
    assert samples.class_names == ("frog", "ship")
    assert samples.labels.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1]
    assert samples.parts.tolist() == [0] * 6 + [2] * 4
    files = sorted((images / "train").rglob("*.png")) + sorted((images / "test").rglob("*.png"))
    found, masks = samples.images.read(torch.arange(10))
    assert masks is None
    for row, file in enumerate(files):
        with Image.open(file) as image:
            wanted = torch.tensor(np.asarray(image)).permute(2, 0, 1) / 255
        assert torch.equal(found[row], wanted)


def test_a_folder(images):
    (images / "README").write_text("not an image, and in no class")
    check(cifar.cifar10(DataConfig(path=str(images))), images)


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.xz"])
@pytest.mark.parametrize("above", ["", "CIFAR-10/"])
def test_an_archive(images, tmp_path, suffix, above):
    path = tmp_path / f"cifar.{suffix}"
    with tarfile.open(path, f"w:{suffix[4:]}") as archive:
        for file in sorted(images.rglob("*.png"), reverse=True):
            archive.add(file, f"{above}{file.relative_to(images)}")
    check(cifar.cifar10(DataConfig(path=str(path))), images)
    content = path.read_bytes()
    for name, size in (("half", len(content) // 2), ("end", len(content) - 10240)):
        cut = path.with_name(f"{name}.{suffix}")
        cut.write_bytes(content[: max(size, 100)])
        with pytest.raises(ValueError, match=rf"{name}\.\S+ is not a complete archive"):
            cifar.cifar10(DataConfig(path=str(cut)))


def test_images_that_cannot_be_used(images, photo):
    whole = (images / "test/ship/0000.png").read_bytes()
    (images / "test/ship/0000.png").write_bytes(whole[:500])
    with pytest.raises(ValueError, match=r"test/ship/0000\.png is not a readable image"):
        cifar.cifar10(DataConfig(path=str(images)))
    photo("cifar/test/ship/0000.png", 32, 30)
    with pytest.raises(ValueError, match=r"test/ship/0000\.png is 32 x 30, not 32 x 32"):
        cifar.cifar10(DataConfig(path=f"{images}/"))
    for file in (images / "test").rglob("*.png"):
        file.unlink()
    with pytest.raises(ValueError, match="has no images named train/CLASS/NAME and test/CLASS/NAM"):
        cifar.cifar10(DataConfig(path=f"{images}/."))


def test_a_folder_that_holds_something_else(tmp_path):
    with pytest.raises(
        ValueError, match=r"^data\.path .* does not hold CIFAR10 \(.*\): give the f"
    ):
        find_source("cifar10").load(DataConfig(source="cifar10", path=str(tmp_path)))


def test_torchvisions_files(tmp_path, monkeypatch):
    from torchvision import datasets

    folder = tmp_path / datasets.CIFAR10.base_folder
    folder.mkdir()
    draws = np.random.default_rng(0)
    pixels = {}

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    def batch(name, count):
        pixels[name] = draws.integers(0, 256, (count, 3072), dtype=np.uint8)
        return write(name, {"data": pixels[name], "labels": [i % 10 for i in range(count)]})

    # torchvision knows the real files by their checksums; everything else is its own
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [batch("data_batch_1", 12)])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [batch("test_batch", 5)])
    names = [f"class {i}" for i in range(10)]
    meta = write("batches.meta", {"label_names": names})
    monkeypatch.setattr(
        datasets.CIFAR10, "meta", {"filename": meta[0], "key": "label_names", "md5": meta[1]}
    )
    samples = cifar.cifar10(DataConfig(path=str(tmp_path)))
    assert samples.class_names == tuple(names)
    assert samples.labels.tolist() == [*range(10), 0, 1, *range(5)]
    assert samples.parts.tolist() == [0] * 12 + [2] * 5
    found = samples.images.read(torch.arange(17))[0]
    wanted = np.concatenate([pixels["data_batch_1"], pixels["test_batch"]]).reshape(17, 3, 32, 32)
    assert torch.equal(found, torch.tensor(wanted) / 255)


@pytest.mark.slow
def test_the_real_photos(shared_data):
    archive = shared_data / "cifar10" / "cifar10-jpeg.tar.xz"
    data = build_data(DataConfig(source="cifar10", path=str(archive)), seed=0)
    assert [len(s) for s in (data.train, data.meta, data.validation, data.test)] == [
        48900, 100, 1000, 10000,
    ]  # fmt: skip
    assert data.class_names[0] == "airplane"
    assert torch.bincount(data.test.labels).tolist() == [1000] * 10
    some = torch.randperm(48900)[:5000]
    mean = data.train.images.read(some)[0].mean((0, 2, 3))
    assert (mean - torch.tensor([0.4914, 0.4822, 0.4465])).abs().max() < 0.01
