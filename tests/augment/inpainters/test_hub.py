"""A real pipeline of diffusers, small and with random weights."""

from __future__ import annotations

import warnings

import pytest
import torch

from causalogit.augment import find_inpainter


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("pipeline")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _tiny(folder / "tokenizer").save_pretrained(folder / "model")
    return folder / "model"


def _tiny(folder):
    import json

    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionInpaintPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder.mkdir()
    words = ["<|startoftext|>", "<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz,"]
    words += [f"{letter}</w>" for letter in words[2:]]
    numbers = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(numbers))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77
    )
    torch.manual_seed(0)
    text = CLIPTextConfig(
        vocab_size=len(words), hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=77, bos_token_id=0, eos_token_id=1,
        pad_token_id=1,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=64, in_channels=9, out_channels=4, block_out_channels=(4, 8),
        layers_per_block=1, norm_num_groups=4, cross_attention_dim=8, attention_head_dim=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4), norm_num_groups=4, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    return StableDiffusionInpaintPipeline(
        vae, CLIPTextModel(text), tokenizer, unet, DDIMScheduler(), None, None,
        requires_safety_checker=False,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_a_folder_takes_the_place_of_the_download(model, tmp_path):
    images, masks = torch.rand(2, 3, 20, 20), torch.zeros(2, 1, 20, 20)
    masks[:, :, 5:12, 6:15] = 1
    fill = find_inpainter("hf:any/model", path=model, kept=tmp_path)
    draws = torch.Generator()
    filled = fill(images, masks, torch.zeros(2), draws)
    outside = (masks == 0).expand_as(images)
    assert torch.equal(filled[outside], images[outside])
    assert ((filled >= 0) & (filled <= 1)).all()
    assert (filled[~outside] != images[~outside]).any()
    single = find_inpainter("hf:any/model", path=model, kept=tmp_path / "other")
    alone = single(images[1:], masks[1:], torch.zeros(1), draws)
    assert torch.allclose(alone, filled[1:], atol=1 / 255)


@pytest.mark.filterwarnings("ignore")
def test_a_folder_without_a_model(tmp_path):
    pytest.importorskip("diffusers")
    with pytest.raises(ValueError, match=r"cannot be used for inpainting \(.*without a network"):
        find_inpainter("hf:any/model", path=tmp_path)
