"""Exact counts, no cut-out or scene in two splits, pixels as a slow loop makes them, same bytes."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
import yaml
from PIL import Image

from causalogit.data.compose import SPLITS, ComposeConfig, compose
from causalogit.data.compose.inputs import open_scene
from causalogit.data.compose.paste import blend, paste
from causalogit.data.compose.plan import place_counts, scene_shares
from causalogit.files import LOCK, alone_in
from tests.data.pictures import SIZE, config_of, write_pictures


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    write_pictures(root, {"cat": 36, "dog": 34, "cow": 1}, {"forest": 9, "sea": 50})
    return root


@pytest.fixture(scope="module")
def composed(pictures, tmp_path_factory):
    return compose(config_of(pictures), tmp_path_factory.mktemp("sets") / "new" / "pets")


def test_counts_of_every_group_are_exact(composed):
    groups = Counter((row["split"], row["y"], row["place"]) for row in rows_of(composed))
    train = {("0", "0", "0"): 18, ("0", "0", "1"): 2, ("0", "1", "0"): 2, ("0", "1", "1"): 18}
    even = {
        (split, y, place): each
        for split, each in (("1", 2), ("2", 3), ("3", 2))
        for y in "01"
        for place in "01"
    }
    assert groups == train | even


def test_no_cut_out_is_used_twice_and_no_scene_in_two_splits(composed):
    rows = rows_of(composed)
    cut_outs = [row["foreground_filename"] for row in rows]
    assert len(cut_outs) == len(set(cut_outs)) == 68
    splits_of = {}
    for row in rows:
        splits_of.setdefault(row["place_filename"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in splits_of.values())


def test_scenes_are_reused_evenly_and_the_page_says_how_often(composed):
    rows = rows_of(composed)
    for split in "0123":
        for place in "01":
            own = [row for row in rows if row["split"] == split and row["place"] == place]
            uses = Counter(row["place_filename"] for row in own).values()
            # 3, 2, 2 and 2 of 9 forest scenes; of the sea there are enough
            assert max(uses) - min(uses) <= 1
            assert (max(uses) > 1) == (place == "0" and len(own) > 3), (split, place)
    page = (composed / "README.txt").read_text()
    assert "forest: train 20 on 4 (each up to 5 x)" in page
    assert "sea: train 20 on 28 (each up to 1 x)" in page


def test_names_and_files_agree(composed, pictures):
    rows = rows_of(composed)
    assert list(rows[0])[:6] == ["img_id", "img_filename", "y", "split", "place", "place_filename"]
    assert [int(row["img_id"]) for row in rows] == list(range(68))
    for row in rows:
        assert row["label_name"] == ("cat", "dog")[int(row["y"])]
        assert row["place_name"] == ("forest", "sea")[int(row["place"])]
        assert row["foreground_filename"].startswith(row["label_name"] + "/")
        assert row["place_filename"].startswith(row["place_name"] + "/")
        assert (pictures / "objects" / row["foreground_filename"]).is_file()
        assert (pictures / "scenes" / row["place_filename"]).is_file()
        with Image.open(composed / row["img_filename"]) as image:
            assert (image.mode, image.size) == ("RGB", (SIZE, SIZE))
        with Image.open(composed / row["mask_filename"]) as mask:
            assert (mask.mode, mask.size) == ("L", (SIZE, SIZE))
    for kind in ("images", "masks"):
        assert len(list((composed / kind).iterdir())) == 68
    labels = [row["y"] for row in rows if row["split"] == "0"]
    assert labels != sorted(labels)  # mixed: the place in the file does not give the class away


def test_image_is_scene_outside_and_object_inside_of_the_mask(composed, pictures):
    for row in rows_of(composed)[::7]:
        image = np.asarray(Image.open(composed / row["img_filename"])).astype(int)
        mask = np.asarray(Image.open(composed / row["mask_filename"])).astype(int)
        ground = open_scene(pictures / "scenes" / row["place_filename"])
        middle = (3, 0, 23, 20)  # of 26 x 20
        ground = ground.resize((SIZE, SIZE), Image.Resampling.BILINEAR, middle)
        ground = np.asarray(ground).astype(int)
        assert np.array_equal(image[mask == 0], ground[mask == 0])
        assert (mask > 200).any()
        assert np.abs(image - ground)[mask > 200].mean() > 10
        columns = np.flatnonzero(mask.max(0))
        rows = np.flatnonzero(mask.max(1))
        longest = max(np.ptp(columns), np.ptp(rows)) + 1
        assert 0.5 * SIZE - 1 <= longest <= 0.8 * SIZE + 1


def test_blend_as_a_slow_loop():
    draws = np.random.default_rng(0)
    placed = draws.integers(0, 256, (7, 5, 4), dtype=np.uint8)
    placed[0, 0, 3], placed[0, 1, 3] = 0, 255
    ground = draws.integers(0, 256, (7, 5, 3), dtype=np.uint8)
    image, mask = blend(placed, ground)
    for row in range(7):
        for column in range(5):
            alpha = int(placed[row, column, 3])
            assert mask[row, column] == alpha
            for channel in range(3):
                exact = (
                    alpha * int(placed[row, column, channel])
                    + (255 - alpha) * int(ground[row, column, channel])
                ) / 255
                assert image[row, column, channel] == round(exact)
    assert np.array_equal(image[0, 0], ground[0, 0])
    assert np.array_equal(image[0, 1], placed[0, 1, :3])


@pytest.mark.parametrize("scales", [(0.01, 0.02), (1.0, 1.0), (0.4, 0.9)])
def test_object_keeps_its_form_and_stays_inside(scales):
    block = Image.new("RGBA", (40, 20), (10, 20, 30, 255))
    ground = Image.new("RGB", (9, 9), (200, 210, 220))
    corners = set()
    for seed in range(60):
        image, mask = paste(block, ground, 32, scales, Random(seed))
        rows, columns = np.nonzero(mask)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width  # whole: nothing was cut off at the border
        longest = max(1, 32 * scales[0] - 0.5), max(1, 32 * scales[1] + 0.5)
        assert longest[0] <= width <= longest[1]
        assert abs(height - width / 2) <= 1
        assert (image[mask == 255] == (10, 20, 30)).all()
        assert (image[mask == 0] == (200, 210, 220)).all()
        corners.add((int(rows.min()), int(columns.min())))
    assert len(corners) > 10  # in other words, it is not always in the same place


def test_hidden_colours_do_not_bleed_into_the_edge():
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels[:, :, 0] = 255  # red where it is transparent
    pixels[5:15, 5:15] = (0, 0, 255, 255)
    image, mask = paste(
        Image.fromarray(pixels), Image.new("RGB", (4, 4)), 13, (0.8, 0.8), Random(0)
    )
    assert mask.any()
    assert (image[:, :, 0] == 0).all()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_same_seed_same_bytes(composed, pictures, tmp_path):
    (tmp_path / "again").mkdir()  # an empty folder is fine
    (tmp_path / "again" / LOCK).touch()
    assert contents(compose(config_of(pictures), tmp_path / "again")) == contents(composed)


def test_another_seed_is_another_split_and_other_places_in_the_image(composed, pictures, tmp_path):
    other = compose(config_of(pictures, seed=1), tmp_path / "other")
    for column in ("foreground_filename", "place_filename"):
        first, second = (
            {row[column] for row in rows_of(folder) if row["split"] == "0"}
            for folder in (composed, other)
        )
        assert len(first & second) < len(first) - 5
    # all cut-outs have the same outline here, so equal masks are equal places
    first, second = contents(composed), contents(other)
    assert sum(first[name] == second[name] for name in first if "masks/" in name) < 5


def test_record_of_the_set(composed, pictures):
    record = yaml.safe_load((composed / "compose.yaml").read_text())
    assert record.pop("pairs") == ["cat=forest", "dog=sea"]
    assert ComposeConfig(**record, pairs={"cat": "forest", "dog": "sea"}) == config_of(pictures)
    page = (composed / "README.txt").read_text()
    assert "correlation 0.9, seed 0" in page
    assert "pillow " in page


def test_more_places_than_classes_and_a_biased_meta_set(tmp_path):
    write_pictures(tmp_path, {"cat": 30, "dog": 30}, {"air": 9, "forest": 9, "lake": 9, "sea": 9})
    config = config_of(
        tmp_path, correlation=0.5, train=28, meta=8, meta_correlation=1.0, validation=8, test=8
    )
    groups = Counter(
        (row["split"], row["label_name"], row["place_name"])
        for row in rows_of(compose(config, tmp_path / "set"))
    )
    for name, own in (("cat", "forest"), ("dog", "sea")):
        assert groups["0", name, own] == 7
        others = {"air", "forest", "lake", "sea"} - {own}
        assert sorted(groups["0", name, place] for place in others) == [2, 2, 3]
        assert groups["3", name, own] == 4
        assert all(groups["3", name, place] == 0 for place in others)
        assert all(groups["1", name, place] == 1 for place in (*others, own))


@pytest.mark.parametrize("agreement", [0.0, 0.33, 0.95, 1.0])
def test_place_counts_add_up(agreement):
    for images in (1, 7, 100):
        counts = place_counts(images, own=2, places=4, agreement=agreement)
        assert counts[2] == round(agreement * images)
        assert sum(counts) == images
        rest = counts[:2] + counts[3:]
        assert max(rest) - min(rest) <= 1


@pytest.mark.parametrize("scenes", [4, 5, 17, 1000, 1713])
def test_scene_shares_add_up_in_proportion(scenes):
    sizes = {"train": 1200, "validation": 200, "test": 800, "meta": 40}
    shares = scene_shares(scenes, sizes)
    assert sum(shares.values()) == scenes
    for split, size in sizes.items():
        assert shares[split] >= 1
        assert abs(shares[split] - (1 + (scenes - 4) * size / 2240)) < 1


def test_copies_of_a_picture_are_one_picture(pictures, tmp_path):
    write_pictures(tmp_path, {"cat": 34, "dog": 34}, {"forest": 9, "sea": 9})
    original = tmp_path / "scenes" / "sea" / "004.png"
    Image.open(original).save(tmp_path / "scenes" / "sea" / "x.bmp")  # other bytes, same pixels
    folder = compose(config_of(tmp_path), tmp_path / "set")
    assert not any("x.bmp" in row["place_filename"] for row in rows_of(folder))
    assert "copies of another one: 1." in (folder / "README.txt").read_text()


def test_progress_and_an_interruption_that_leaves_nothing(pictures, tmp_path):
    seen = []

    def stop_late(stage: str, done: int, total: int) -> None:
        seen.append((stage, done, total))
        if (stage, done) == ("composing", 60):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compose(config_of(pictures), tmp_path / "out", stop_late)
    assert seen[0] == ("reading", 1, 129)
    assert seen[128] == ("reading", 129, 129)
    assert seen[129] == ("composing", 1, 68)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_gone(pictures, tmp_path):
    left = tmp_path / ".out.unfinished"
    (left / "images").mkdir(parents=True)
    for name in (".lock", "images/stray.png", "metadata.csv"):
        (left / name).touch()
    folder = compose(config_of(pictures), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not (folder / ".lock").exists()
    assert not (folder / "images" / "stray.png").exists()
    assert len(rows_of(folder)) == 68


def test_two_processes_do_not_compose_the_same_set(pictures, tmp_path):
    with (
        alone_in(tmp_path / ".out.unfinished", "composing"),
        pytest.raises(ValueError, match=r"another process is composing in .*out"),
    ):
        compose(config_of(pictures), tmp_path / "out")
    compose(config_of(pictures), tmp_path / "out")


def test_real_pets_on_real_scenes(shared_data, tmp_path):
    """A few real pictures: the mask is where the image differs from its scene."""
    for kind, name, ending in (
        ("foregrounds", "cat", "webp"), ("foregrounds", "dog", "webp"),
        ("backgrounds", "forest", "jpg"), ("backgrounds", "sea", "jpg"),
    ):  # fmt: skip
        folder = tmp_path / {"foregrounds": "objects", "backgrounds": "scenes"}[kind] / name
        folder.mkdir(parents=True)
        found = sorted((shared_data / "scenes" / kind / name).glob(f"*.{ending}"))[:60]
        assert len(found) == 60
        for file in found:
            (folder / file.name).symlink_to(file)
    config = config_of(tmp_path, size=96)
    folder = compose(config, tmp_path / "pets")
    rows = rows_of(folder)
    assert Counter(SPLITS[int(row["split"])] for row in rows) == {
        "train": 40, "validation": 8, "test": 12, "meta": 8,
    }  # fmt: skip
    for row in rows:
        image = np.asarray(Image.open(folder / row["img_filename"])).astype(int)
        mask = np.asarray(Image.open(folder / row["mask_filename"]))
        ground = open_scene(tmp_path / "scenes" / row["place_filename"])
        ground = np.asarray(ground.resize((96, 96), Image.Resampling.BILINEAR)).astype(int)
        changed = np.abs(image - ground).sum(2)
        assert (changed[mask == 0] == 0).all()
        assert changed[mask > 250].mean() > 30
        assert 0.03 < (mask > 127).mean() < 0.7
