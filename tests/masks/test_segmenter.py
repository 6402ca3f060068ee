"""Segmenters by name: what rembg computes, and one clear error for each wrong input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from causalogit.masks import find_segmenter
from causalogit.masks.onnx import ONNX_MODELS, OnnxModel, OnnxSegmenter
from tests.masks.nets import SIDE, write_brightness_model


def tensor(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def as_rembg(picture: Image.Image, path: Path) -> np.ndarray:
    """What rembg's U2netpSession does before the mask is resized to the photo: `(320, 320)`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    pixels = np.array(picture.convert("RGB").resize((320, 320), Image.Resampling.LANCZOS))
    pixels = pixels / max(np.max(pixels), 1e-6)
    given = np.zeros((320, 320, 3))
    for channel, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        given[:, :, channel] = (pixels[:, :, channel] - mean) / std
    given = given.transpose((2, 0, 1))[None].astype(np.float32)
    found = session.run(None, {session.get_inputs()[0].name: given})[0][:, 0, :, :]
    return np.squeeze((found - np.min(found)) / (np.max(found) - np.min(found)))


def test_u2netp_gives_what_rembg_gives(u2netp, scene):
    segmenter = find_segmenter("u2netp", u2netp)
    dark = Image.fromarray(np.array(scene) // 3)  # brightened before it is normalised
    squares = [p.resize((320, 320), Image.Resampling.LANCZOS) for p in (scene, dark)]
    masks = segmenter(torch.cat([tensor(own) for own in squares]))
    assert masks.shape == (2, 1, 320, 320)
    for mask, picture in zip(masks, (scene, dark), strict=True):
        np.testing.assert_allclose(mask[0], as_rembg(picture, u2netp), rtol=0, atol=1e-4)
    rows, columns = np.mgrid[:320, :320] / 320
    on = ((rows - 42 / 80) / 0.3) ** 2 + ((columns - 50 / 96) / 0.3125) ** 2 < 1
    found = masks[0, 0].numpy() > 0.5
    assert (found & on).sum() / (found | on).sum() > 0.9


def test_images_of_any_size_come_back_in_it(u2netp, scene):
    mask = find_segmenter("u2netp", u2netp)(tensor(scene))[0, 0]
    assert mask.shape == (80, 96)
    expected = Image.fromarray((as_rembg(scene, u2netp) * 255).astype(np.uint8))
    expected = np.array(expected.resize(scene.size, Image.Resampling.LANCZOS)) / 255
    assert np.abs(mask.numpy() - expected).mean() < 0.02


@pytest.mark.parametrize("batch", ["B", 1])
def test_masks_are_stretched_one_by_one(tmp_path, batch):
    path = write_brightness_model(tmp_path / "net.onnx", batch)
    images = torch.rand(3, 3, SIDE, SIDE) * torch.tensor([1.0, 0.5, 0.1])[:, None, None, None]
    masks = find_segmenter(str(path))(images)
    model = OnnxModel("any")
    for image, mask in zip(images, masks, strict=True):
        value = image / image.max()
        value = torch.stack([(value[c] - model.mean[c]) / model.std[c] for c in range(3)]).mean(0)
        expected = (value - value.min()) / (value.max() - value.min())
        torch.testing.assert_close(mask[0], expected, rtol=0, atol=1e-5)


def test_logits_go_through_a_sigmoid(brightness):
    images = torch.rand(1, 3, SIDE, SIDE)
    mean, std = (0.5, 0.5, 0.5), (0.1, 0.1, 0.1)
    plain = OnnxSegmenter(OnnxModel("any", mean=mean, std=std), brightness)(images)
    logits = OnnxSegmenter(OnnxModel("any", mean=mean, std=std, logits=True), brightness)(images)
    value = ((images / images.max() - 0.5) / 0.1).mean(1, keepdim=True)
    squashed = value.sigmoid()
    expected = (squashed - squashed.min()) / (squashed.max() - squashed.min())
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
    assert (logits - plain).abs().max() > 0.05


def test_an_image_of_one_colour_has_no_object(brightness):
    masks = find_segmenter(str(brightness))(torch.full((1, 3, 20, 30), 0.4))
    assert masks.shape == (1, 1, 20, 30)
    assert masks.max() < 0.01


def test_side_is_the_files_or_the_models(tmp_path):
    fixed = write_brightness_model(tmp_path / "fixed.onnx", side=48)
    free = write_brightness_model(tmp_path / "free.onnx", side="S")
    assert find_segmenter(str(fixed)).side == 48
    assert find_segmenter(str(free)).side == 320
    assert find_segmenter("isnet-general-use", free).side == 1024


def test_doubles_stay_doubles(brightness):
    images = torch.rand(1, 3, 40, 50, dtype=torch.float64)
    assert find_segmenter(str(brightness))(images).dtype == torch.float64


def test_wrong_images_are_named(brightness):
    segmenter = find_segmenter(str(brightness))
    for images in (torch.rand(3, 8, 8), torch.rand(2, 1, 8, 8), torch.zeros(1, 3, 8, 8).byte()):
        with pytest.raises(ValueError, match=r"give floating-point images of shape \(B, 3, H, W\)"):
            segmenter(images)


@pytest.mark.parametrize("name", ["u2nett", "nowhere.onnx", ""])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match=f"segmenter '{name}' is not known: choose among u2netp, "):
        find_segmenter(name)


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"segmenter's path .*net.onnx does not exist"):
        find_segmenter("u2netp", tmp_path / "net.onnx")


def test_files_that_are_no_model(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"net.onnx is not a model that onnxruntime reads \("):
        find_segmenter("u2netp", tmp_path / "net.onnx")
    grey = write_brightness_model(tmp_path / "grey.onnx", channels=1)
    with pytest.raises(ValueError, match=r"takes \['B', 1, 32, 32\] and gives .*: give a model"):
        find_segmenter(str(grey))


def test_onnxruntime_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"u2netp.onnx is run by .*pip install 'causalogit\[mask"):
        find_segmenter("u2netp")


def test_every_model_says_what_its_file_is():
    for model in ONNX_MODELS.values():
        assert model.file.endswith(".onnx")
        assert len(model.md5) == 32


def test_nothing_optional_is_imported_before_it_is_needed():
    code = (
        "import sys, causalogit.cli.main; "
        "print([n for n in ('onnxruntime', 'cv2', 'transformers') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
