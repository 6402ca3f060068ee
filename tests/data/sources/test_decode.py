"""Pixels of photos and masks of every kind, against slow and obvious computations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from causalogit.data.sources.files import Record
from causalogit.data.sources.files.decode import Unusable, decode


def pixels(path: Path, size: int, **options) -> np.ndarray:
    record = Record("here", path, "a", **options)
    with_mask = "mask" in options or "box" in options
    return decode(record, size, with_mask=with_mask).pixels.numpy()


def save(path: Path, values: np.ndarray, **options) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


@pytest.fixture
def noise():
    return np.random.default_rng(1).integers(0, 256, (6, 6, 3), dtype=np.uint8)


def test_pixels_of_the_same_size_are_exact(tmp_path, noise):
    assert np.array_equal(pixels(save(tmp_path / "a.png", noise), 6), noise.transpose(2, 0, 1))


def halving(length: int) -> np.ndarray:
    """Weights `(4, length)` of the pixels of the middle eight in four."""
    weights = np.zeros((4, length))
    for out in range(4):
        for offset, weight in ((-1, 1), (0, 3), (1, 3), (2, 1)):
            place = (length - 8) // 2 + 2 * out + offset
            if 0 <= place < length:
                weights[out, place] = weight
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize(("height", "width"), [(8, 14), (14, 8), (8, 8)])
def test_the_middle_square_is_resized_by_averages(tmp_path, height, width):
    values = np.random.default_rng(2).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = pixels(save(tmp_path / "a.png", values), 4).astype(float)
    # half the size: a triangle of weights 1 3 3 1 over four pixels, cut at the photo's edges
    rows, columns = halving(height), halving(width)
    wanted = np.einsum("ij,jkc,lk->cil", rows, values.astype(float), columns)
    assert np.abs(found - wanted).max() <= 1.5


def test_a_photo_on_its_side_is_turned_upright(tmp_path, noise):
    for orientation, turned in (
        (3, noise[::-1, ::-1]),
        (6, np.rot90(noise, -1)),
        (8, np.rot90(noise)),
    ):
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        path = save(tmp_path / f"{orientation}.png", noise, exif=exif)
        assert np.array_equal(pixels(path, 6), turned.transpose(2, 0, 1))


def test_a_mask_has_the_size_of_the_upright_photo(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = save(tmp_path / "a.jpg", np.zeros((6, 10, 3), np.uint8), exif=exif)
    mask = np.zeros((10, 6), np.uint8)
    mask[:5] = 255
    found = pixels(path, 6, mask=save(tmp_path / "mask.png", mask))
    assert found.shape == (4, 6, 6)
    assert (found[3, :3] == 255).all()
    assert (found[3, 3:] == 0).all()
    with pytest.raises(Unusable, match=r"m2\.png has 10 x 6 pixels, its image 6 x 10"):
        pixels(path, 6, mask=save(tmp_path / "m2.png", mask.T))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path, noise, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image = Image.fromarray(noise).convert(mode)
    image.save(path)
    wanted = np.asarray(image.convert("RGB"))
    assert np.array_equal(pixels(path, 6), wanted.transpose(2, 0, 1))


def test_a_palette_with_transparency_becomes_rgb(tmp_path, noise):
    image = Image.fromarray(noise).quantize(8)
    image.save(tmp_path / "a.png", transparency=bytes([0, 100, 255, 255, 255, 255, 255, 255]))
    wanted = np.asarray(image.convert("RGB"))
    assert np.array_equal(pixels(tmp_path / "a.png", 6), wanted.transpose(2, 0, 1))


def test_sixteen_bits_become_eight(tmp_path):
    values = np.linspace(0, 65535, 36).reshape(6, 6).astype(np.uint16)
    found = pixels(save(tmp_path / "a.png", values), 6)
    for row in range(6):
        for column in range(6):
            assert (found[:, row, column] == round(int(values[row, column]) / 257)).all()


@pytest.mark.parametrize("largest", [255, 65535])
def test_thirty_two_bits_hold_eight_or_sixteen(tmp_path, largest):
    values = np.linspace(0, largest, 36).reshape(6, 6).astype(np.int32)
    found = pixels(save(tmp_path / "a.tif", values), 6)
    for row in range(6):
        for column in range(6):
            wanted = round(int(values[row, column]) / (257 if largest > 255 else 1))
            assert (found[:, row, column] == wanted).all()


def test_floating_point_pixels_are_refused(tmp_path):
    path = save(tmp_path / "a.tif", np.ones((6, 6), np.float32))
    with pytest.raises(Unusable, match="floating-point numbers: save it with 8 or 16 bits"):
        pixels(path, 6)


def masks() -> dict[str, tuple[Image.Image, np.ndarray]]:
    """Images that a mask may be drawn in, and what they mean."""
    draws = np.random.default_rng(3)
    soft = draws.integers(0, 256, (6, 6), dtype=np.uint8)
    hard = soft > 100
    coloured = np.zeros((6, 6, 3), np.uint8)
    coloured[hard] = (0, 40, 200)
    indexed = Image.fromarray(hard.astype(np.uint8) * 3)
    indexed.putpalette([0, 0, 0, 9, 9, 9, 1, 2, 3, 128, 0, 0])
    bright = Image.fromarray(hard.astype(np.uint8) * 3)
    bright.putpalette([255, 255, 255, 9, 9, 9, 1, 2, 3, 128, 0, 0])
    cut_out = np.dstack([draws.integers(0, 256, (6, 6, 3), dtype=np.uint8), soft])
    opaque = np.dstack([np.repeat(soft[..., None], 3, 2), np.full((6, 6), 255, np.uint8)])
    full = hard * np.uint8(255)
    return {
        "grey": (Image.fromarray(soft), soft),
        "zero and one": (Image.fromarray(hard.astype(np.uint8)), full),
        "zero and 38": (Image.fromarray(hard * np.uint8(38)), full),
        "one everywhere": (Image.fromarray(hard.astype(np.uint8) * 0 + 1), full * 0 + 255),
        "bits": (Image.fromarray(full).convert("1"), full),
        "colours": (Image.fromarray(coloured), full),
        "palette": (indexed, full),
        "palette without black": (bright, full),
        "transparency": (Image.fromarray(cut_out), soft),
        "opaque": (Image.fromarray(opaque), soft),
        "sixteen bits": (Image.fromarray(soft.astype(np.uint16) * 257), soft),
        "sixteen bits, zero and one": (Image.fromarray(hard.astype(np.uint16)), full),
        "thirty-two bits, zero and two": (Image.fromarray(hard.astype(np.int32) * 2), full),
    }


@pytest.mark.parametrize("kind", masks())
def test_masks_of_every_kind(tmp_path, noise, kind):
    image, wanted = masks()[kind]
    path = tmp_path / ("mask.tif" if image.mode == "I" else "mask.png")
    image.save(path)
    found = pixels(save(tmp_path / "a.png", noise), 6, mask=path)
    assert np.array_equal(found[3], wanted)
    assert np.array_equal(found[:3], noise.transpose(2, 0, 1))


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_a_coloured_mask_has_no_halo_in_a_lossy_file(tmp_path, suffix):
    draws = np.random.default_rng(0)
    drawn = np.zeros((96, 96, 3), np.uint8)
    drawn[30:60, 24:70] = (255, 0, 0)
    Image.fromarray(drawn).save(tmp_path / f"mask.{suffix}", quality=90)
    photo = save(tmp_path / "a.png", draws.integers(0, 256, (96, 96, 3), dtype=np.uint8))
    found = pixels(photo, 96, mask=tmp_path / f"mask.{suffix}")[3] > 0
    assert abs(found.sum() / (drawn[..., 0] > 0).sum() - 1) < 0.06


def test_numbers_of_classes_with_a_border_are_refused(tmp_path, noise):
    mask = save(tmp_path / "mask.png", np.resize(np.array([0, 0, 1, 255], np.uint8), (6, 6)))
    with pytest.raises(Unusable, match="255 for what is not to be looked at: save one value"):
        pixels(save(tmp_path / "a.png", noise), 6, mask=mask)


@pytest.mark.parametrize("values", [[0], [0, 1, 2], [0, 127, 9]])
@pytest.mark.parametrize("bits", [np.uint8, np.uint16])
def test_a_mask_that_shows_no_object_is_refused(tmp_path, noise, values, bits):
    mask = save(tmp_path / "mask.png", np.resize(np.array(values, bits), (6, 6)))
    with pytest.raises(Unusable, match=r"mask\.png shows no object: give its pixels 255, or one"):
        pixels(save(tmp_path / "a.png", noise), 6, mask=mask)


def test_a_box_is_a_mask(tmp_path, noise):
    found = pixels(save(tmp_path / "a.png", noise), 6, box=(1, 2, 4, 5.0))[3]
    for y in range(6):
        for x in range(6):
            assert found[y, x] == (255 if 1 <= x < 4 and 2 <= y < 5 else 0)


NAN, OUTSIDE, REVERSED = float("nan"), "is not inside of the image's 6 x 6 pixels", "ends before"


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((-1, 0, 3, 3), OUTSIDE),
        ((0, 0, 7, 3), OUTSIDE),
        ((0, 0, 3, 7), OUTSIDE),
        ((0, -2, 3, 3), OUTSIDE),
        ((3, 0, 3, 3), REVERSED),
        ((3, 3, 1, 5), REVERSED),
        ((NAN, 0, 3, 3), REVERSED),
        ((0, 0, 3, NAN), REVERSED),
    ],
)
def test_what_is_no_box_of_the_image_is_refused(tmp_path, noise, box, message):
    with pytest.raises(Unusable, match=message):
        pixels(save(tmp_path / "a.png", noise), 6, box=box)


def test_large_jpegs_are_decoded_in_part_and_look_the_same(tmp_path):
    rows, columns = np.mgrid[0:400, 0:600]
    values = np.stack([rows * 255 // 400, columns * 255 // 600, rows * 0 + 90], 2).astype(np.uint8)
    small = pixels(save(tmp_path / "a.jpg", values, quality=95), 20).astype(int)
    exact = pixels(save(tmp_path / "a.png", values), 20).astype(int)
    assert np.abs(small - exact).max() <= 4


def test_what_cannot_be_read_is_named(tmp_path, noise):
    whole = save(tmp_path / "whole.png", np.tile(noise, (9, 9, 1))).read_bytes()
    for name, content in (
        ("cut.png", whole[: len(whole) // 2]),
        ("text.jpg", b"no image"),
        ("empty.png", b""),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Unusable, match=f"{name} is not a readable image"):
            pixels(tmp_path / name, 6)
        with pytest.raises(Unusable, match=rf"the mask .*{name} is not a readable image"):
            pixels(tmp_path / "whole.png", 6, mask=tmp_path / name)
    with pytest.raises(Unusable, match=r"gone\.png does not exist"):
        pixels(tmp_path / "gone.png", 6)
    with pytest.raises(Unusable, match=r"cannot be read \(Is a directory\)"):
        pixels(tmp_path, 6)


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_an_object_outside_of_the_middle_square_is_told(tmp_path, kind):
    photo = save(tmp_path / "a.png", np.zeros((10, 30, 3), np.uint8))
    on = np.zeros((10, 30), np.uint8)
    on[2:8, 1:8] = 255
    where = {"box": (1, 2, 8, 8), "mask": save(tmp_path / "m.png", on)}[kind]
    with pytest.raises(Unusable, match="middle square of the photo, 5 x 5 pixels, shows nothing"):
        pixels(photo, 5, **{kind: where})
