"""What is not composed: bad pictures, shortages, wrong options, folders in use; how files open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from causalogit.data.compose import compose
from causalogit.data.compose.inputs import open_cut_out, open_scene
from tests.data.pictures import config_of, cut_out, scene, write_pictures


def spoil(root: Path) -> dict[str, str]:
    """Every kind of bad input; file or folder -> what the message says of it."""
    write_pictures(root, {"cat": 40, "dog": 40, "empty": 0}, {"forest": 9, "sea": 9, "bare": 0})
    draws = np.random.default_rng(1)
    cats, sea = root / "objects" / "cat", root / "scenes" / "sea"
    scene(draws).save(cats / "photo.jpg")
    Image.new("RGBA", (5, 5), (9, 9, 9, 100)).save(cats / "ghost.png")
    Image.new("RGBA", (5, 5), (9, 9, 9, 255)).save(cats / "block.png")
    whole = (cats / "000.png").read_bytes()
    (cats / "half.png").write_bytes(whole[: len(whole) // 2])
    (cats / "text.png").write_text("not a picture")
    cut_out(np.random.default_rng(5)).save(cats / "twin.png")
    cut_out(np.random.default_rng(5)).save(root / "objects" / "dog" / "twin.png")
    Image.fromarray(np.ones((4, 4), np.uint16)).save(sea / "deep.png")
    (sea / "notes.txt").write_text("left alone")
    (sea / ".hidden.png").write_text("left alone")
    return {
        "cat/photo.jpg": "it has no transparency",
        "cat/ghost.png": "its alpha is empty",
        "cat/block.png": "its alpha is opaque everywhere",
        "cat/half.png": "it cannot be read",
        "cat/text.png": "it cannot be read",
        "dog/twin.png": "it has the pixels of",
        "sea/deep.png": "save it with 8 bits a channel",
        "objects/empty": "no images in it",
        "scenes/bare": "no images in it",
        "scenes": "no folder for place 'moon' of pairs; there are ['bare', 'forest', 'sea']",
        "objects": "no folder for class 'ant' of pairs; there are ['cat', 'dog', 'empty']",
    }


def test_all_bad_inputs_are_reported_together_and_nothing_is_written(tmp_path):
    expected = spoil(tmp_path / "in")
    pairs = {"cat": "forest", "dog": "sea", "empty": "sea", "ant": "moon"}
    config = config_of(tmp_path / "in", pairs=pairs)
    with pytest.raises(ValueError, match="nothing was composed") as caught:
        compose(config, tmp_path / "out")
    lines = str(caught.value).splitlines()[1:]
    for name, reason in expected.items():
        [line] = [text for text in lines if f"/{name}: " in text]
        assert reason in line
    assert len(lines) == len(expected)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_very_many_problems_are_counted(tmp_path):
    write_pictures(tmp_path, {"cat": 1, "dog": 1}, {"forest": 4, "sea": 4})
    for index in range(120):
        (tmp_path / "objects" / "cat" / f"{index}.png").touch()
    with pytest.raises(ValueError, match=r"and 20 more$") as caught:
        compose(config_of(tmp_path), tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 102


def test_shortages_are_reported_together_with_numbers(tmp_path):
    write_pictures(tmp_path, {"cat": 33, "dog": 40}, {"forest": 9, "sea": 3})
    with pytest.raises(ValueError, match="nothing was composed") as caught:
        compose(config_of(tmp_path, test=10, validation=10), tmp_path / "out")
    message = str(caught.value)
    needs = "class 'cat' needs 34 cut-outs (20 train + 5 validation + 5 test + 4 meta), and there"
    assert f"{needs} are 33: ask for fewer" in message
    assert "'dog'" not in message
    assert "place 'sea' needs 4 scenes, one for each split, and there are 3" in message
    assert "test is 10, which 4 groups (2 classes times 2 places) cannot share" in message
    assert "validation is 10" in message
    assert "train is" not in message
    assert not (tmp_path / "out").exists()


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"objects: no such folder\n.*scenes: no such folder"):
        compose(config_of(tmp_path), tmp_path / "out")


def test_a_folder_in_use_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    read = []
    for out in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ValueError, match="exists already and is not empty"):
            compose(config_of(tmp_path / "in"), out, lambda *call: read.append(call))
    assert not read
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": {"cat": "sea"}}, "name at least two classes that go with different places"),
        ({"pairs": {"cat": "sea", "dog": "sea"}}, "go with different places"),
        ({"correlation": 1.1}, r"correlation is 1.1: give a share between 0 and 1"),
        ({"meta_correlation": -1.0}, r"meta_correlation is -1.0: give a share"),
        ({"test": 0}, "test is 0: give a positive number of images"),
        ({"train": 41}, "train is 41, which 2 classes cannot share evenly: give a multiple of 2"),
        ({"size": 0}, "size is 0: give a positive number of pixels"),
        ({"min_scale": 0.0}, "min_scale and max_scale are 0.0 and 0.8"),
        ({"min_scale": 0.9}, "min_scale and max_scale are 0.9 and 0.8"),
        ({"max_scale": 1.2}, "min_scale and max_scale are 0.5 and 1.2"),
    ],
)
def test_wrong_configs_are_named(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        config_of(tmp_path, **change)


def test_cut_outs_are_cropped_to_what_is_visible(tmp_path):
    canvas = Image.new("RGBA", (30, 40))
    canvas.paste((1, 2, 3, 200), (4, 5, 10, 15))
    canvas.save(tmp_path / "a.png")
    assert open_cut_out(tmp_path / "a.png").size == (6, 10)
    palette = canvas.convert("P")
    palette.save(tmp_path / "b.png", transparency=palette.getpixel((0, 0)))
    assert open_cut_out(tmp_path / "b.png").size == (6, 10)


def test_a_turned_photo_is_seen_upright(tmp_path):
    upright = scene(np.random.default_rng(0), 20, 26)
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise to see it
    turned.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(open_scene(tmp_path / "a.png"), upright)
