"""MNIST and Fashion-MNIST from idx files, packed or not, wherever they lie."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from causalogit.config import DataConfig
from causalogit.data import build_data
from causalogit.data.sources import mnist

FILES = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
)  # fmt: skip


def idx(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim])
    return head + b"".join(int(n).to_bytes(4, "big") for n in values.shape) + values.tobytes()


@pytest.fixture
def digits(tmp_path):
    """Sixty and thirty small digits; writes them anywhere, gives them."""
    draws = np.random.default_rng(0)
    values = {}
    for part, count in (("train", 60), ("t10k", 30)):
        images = draws.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        images[images < 128] = 0
        values[f"{part}-images-idx3-ubyte"] = images
        values[f"{part}-labels-idx1-ubyte"] = np.arange(count, dtype=np.uint8) % 10

    def write(folder: str = "", packed: bool = False) -> tuple[Path, dict[str, np.ndarray]]:
        path = tmp_path / folder
        path.mkdir(parents=True, exist_ok=True)
        for name, content in values.items():
            if packed:
                (path / f"{name}.gz").write_bytes(gzip.compress(idx(content)))
            else:
                (path / name).write_bytes(idx(content))
        return tmp_path, values

    return write


def check(samples, values):
    images = np.concatenate([values[FILES[0]], values[FILES[2]]])
    labels = np.concatenate([values[FILES[1]], values[FILES[3]]])
    assert samples.labels.tolist() == labels.tolist()
    assert samples.parts.tolist() == [0] * 60 + [2] * 30
    found, masks = samples.images.read(torch.arange(90))
    assert torch.equal(found, torch.tensor(images / 255).float()[:, None].repeat(1, 3, 1, 1))
    assert torch.equal(masks, torch.tensor(images > 0).float()[:, None])


@pytest.mark.parametrize("packed", [True, False])
def test_four_files_in_a_folder_as_debian_has_them(digits, packed):
    path, values = digits(packed=packed)
    samples = mnist.fashion_mnist(DataConfig(path=str(path)))
    check(samples, values)
    assert samples.class_names[9] == "ankle boot"
    samples = mnist.mnist(DataConfig(path=str(path)))
    check(samples, values)
    assert samples.class_names == tuple("0123456789")


@pytest.mark.parametrize("packed", [True, False])
def test_torchvisions_folder(digits, packed):
    path, values = digits("FashionMNIST/raw", packed)
    check(mnist.fashion_mnist(DataConfig(path=str(path))), values)


def test_a_truncated_file_is_named(digits):
    path, _ = digits()
    file = path / FILES[0]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf"{FILES[0]} is not a complete idx file of bytes: get"):
        mnist.mnist(DataConfig(path=str(path)))
    file.write_bytes(b"\0\0")
    with pytest.raises(ValueError, match=rf"{FILES[0]} is not a complete idx file of bytes: get"):
        mnist.mnist(DataConfig(path=str(path)))


def test_a_truncated_packed_file_is_named(digits):
    path, _ = digits(packed=True)
    file = path / f"{FILES[2]}.gz"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(ValueError, match=rf"{FILES[2]}\.gz is not a complete idx file of bytes"):
        mnist.mnist(DataConfig(path=str(path)))


def test_images_without_labels_of_their_own(digits):
    path, values = digits()
    (path / FILES[1]).write_bytes(idx(values[FILES[1]][:50]))
    with pytest.raises(ValueError, match="has 60 images, but 50 labels"):
        mnist.mnist(DataConfig(path=str(path)))


def test_a_missing_file_is_named(digits):
    path, _ = digits()
    (path / FILES[3]).unlink()
    with pytest.raises(ValueError, match=rf"has neither {FILES[3]} nor {FILES[3]}\.gz: set data"):
        mnist.mnist(DataConfig(path=str(path)))


def test_the_real_digits(shared_data):
    data = build_data(DataConfig(source="mnist", path=str(shared_data / "mnist")), seed=0)
    assert [len(s) for s in (data.train, data.meta, data.validation, data.test)] == [
        58900, 100, 1000, 10000,
    ]  # fmt: skip
    assert torch.bincount(data.test.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    images, _ = data.train.images.read(torch.randperm(58900)[:5000])
    assert abs(images.mean().item() - 0.1307) < 0.002
