"""Weights are downloaded once and checked; a dead network gives one sentence."""

from __future__ import annotations

import hashlib

import pytest
import torch

from causalogit.masks import find_segmenter
from causalogit.masks.download import kept_at, weights_file

MD5 = hashlib.md5(b"weights").hexdigest()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def test_a_file_is_fetched_once(tmp_path):
    source = tmp_path / "net.onnx"
    source.write_bytes(b"weights")
    path = weights_file(source.as_uri(), MD5)
    assert path == kept_at("net.onnx") == tmp_path / "hub" / "checkpoints" / "net.onnx"
    assert path.read_bytes() == b"weights"
    source.unlink()
    assert weights_file(source.as_uri(), MD5) == path


def test_another_file_is_refused(tmp_path):
    source = tmp_path / "net.onnx"
    source.write_bytes(b"something else")
    with pytest.raises(ValueError, match=f"its MD5 is .*, not {MD5}.: delete it"):
        weights_file(source.as_uri(), MD5)


def test_a_dead_network_names_the_way_out(monkeypatch):
    def no_network(url: str, *_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    pytest.importorskip("onnxruntime")
    with pytest.raises(ValueError, match=r"silueta.onnx could not be downloaded") as caught:
        find_segmenter("silueta")
    message = str(caught.value)
    assert "(no route to host): get the file elsewhere and give it as the segmenter's" in message
    assert "\n" not in message
