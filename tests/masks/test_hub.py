"""A real pipeline of transformers, small and with random weights."""

from __future__ import annotations

import sys

import pytest
import torch

from causalogit.masks import find_segmenter

NAMES = {0: "background", 1: "cat", 2: "dog"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("segformer")
    config = transformers.SegformerConfig(
        num_encoder_blocks=2,
        depths=[1, 1],
        hidden_sizes=[8, 8],
        sr_ratios=[1, 1],
        num_attention_heads=[1, 1],
        patch_sizes=[7, 3],
        strides=[4, 2],
        mlp_ratios=[1, 1],
        decoder_hidden_size=8,
        id2label=NAMES,
        label2id={name: number for number, name in NAMES.items()},
    )
    torch.manual_seed(0)
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    processor = transformers.SegformerImageProcessor(size={"height": 64, "width": 64})
    processor.save_pretrained(folder)
    return folder


def test_segments_are_joined(model):
    images = torch.rand(3, 3, 64, 64)
    everything = find_segmenter("hf:any", model)
    assert everything.side == 64
    masks = everything(images)
    assert masks.shape == (3, 1, 64, 64)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    single = [find_segmenter(f"hf:any#{name}", model)(images) for name in ("cat", "dog")]
    assert torch.equal(single[0] + single[1], masks)
    assert torch.equal(find_segmenter("hf:any#cat,dog", model)(images), masks)
    assert find_segmenter("hf:any#dog", model)(torch.rand(1, 3, 40, 50)).shape == (1, 1, 40, 50)


def test_unknown_labels_are_named(model):
    with pytest.raises(ValueError, match="does not name segments cow: choose among background, ca"):
        find_segmenter("hf:any#cow", model)


def test_a_folder_without_a_model(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(ValueError, match=r"cannot be used for image segmentation \(.*without a ne"):
        find_segmenter("hf:any", tmp_path)


def test_transformers_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ValueError, match="hf:some/model needs transformers, which is missing: pip"):
        find_segmenter("hf:some/model#cat")
