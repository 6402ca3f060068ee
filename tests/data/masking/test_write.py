"""Stopped runs go on, wrong options and photos are named, and training reads what is written."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from causalogit.config import DataConfig
from causalogit.data.masking import MasksConfig, make_masks
from causalogit.data.sources import find_source
from causalogit.files import alone_in, unfinished
from tests.data.masking.conftest import disc, overlap

MASKS = "import sys; from pathlib import Path; from causalogit.data.masking import *; \
make_masks(MasksConfig(sys.argv[1], segmenter=sys.argv[2], batch_size=4), Path(sys.argv[3]))"


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def photos(tmp_path, write):
    """Twenty-two photos of two classes."""
    for index in range(22):
        write(f"photos/{('cat', 'dog')[index % 2]}/{index:02d}.png")
    return str(tmp_path / "photos")


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(photos, net, tmp_path):
    for index in range(400):  # links to two photos: enough work to be killed within
        (tmp_path / "photos" / "cat" / f"more{index}.png").symlink_to("00.png")
        (tmp_path / "photos" / "dog" / f"more{index}.png").symlink_to("01.png")
    config = MasksConfig(photos, segmenter=net, batch_size=4)
    cut = tmp_path / "cut"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", MASKS, photos, net, str(cut)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not list(cut.glob("cat/1*.png")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    before = everything(cut)
    assert "quality.csv" not in before
    assert len(before) < 800
    make_masks(config, tmp_path / "whole")
    make_masks(config, cut)
    assert everything(cut) == everything(tmp_path / "whole")


@pytest.mark.parametrize("place", [".", "cat"])
def test_one_that_was_killed_in_a_write_goes_on(place, photos, net, tmp_path):
    """In its first one, when nothing else was there yet, or in a later one."""
    config = MasksConfig(photos, segmenter=net, batch_size=4)
    out = tmp_path / "out"
    if place == "cat":
        make_masks(config, out)
        (out / "cat" / "04.png").unlink()
    (out / place).mkdir(parents=True, exist_ok=True)
    unfinished(out / place).write_bytes(b"half a file")
    make_masks(config, out)
    make_masks(config, tmp_path / "whole")
    assert everything(out) == everything(tmp_path / "whole")


def test_only_missing_masks_are_made_and_those_by_hand_stay(photos, net, tmp_path):
    out = tmp_path / "out"
    config = MasksConfig(photos, segmenter=net, batch_size=5)
    make_masks(config, out)
    before = everything(out)
    (out / "cat" / "04.png").unlink()
    by_hand = Image.new("L", (48, 40))
    by_hand.paste(1, (3, 3, 20, 20))  # a class number, which training takes as object
    by_hand.save(out / "dog" / "01.png")
    report = make_masks(MasksConfig(photos, segmenter=net, batch_size=3), out)
    assert report.origins == {"segmenter": 21, "by hand": 1}
    after = everything(out)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"dog/01.png", "quality.csv", "quality.json", "sheet.png"}
    row = next(r for r in rows_of(out / "quality.csv") if r["mask"] == "dog/01.png")
    assert float(row["area"]) == pytest.approx(17 * 17 / (48 * 40), abs=1e-4)


def test_other_options_are_refused(photos, net, tmp_path, monkeypatch):
    out = tmp_path / "out"
    make_masks(MasksConfig(photos, segmenter=net), out)
    with pytest.raises(ValueError, match=r"other options \(refine is grabcut, not none\): go on"):
        make_masks(MasksConfig(photos, segmenter=net, refine="none"), out)
    monkeypatch.chdir(tmp_path)
    make_masks(MasksConfig("photos", segmenter=net, batch_size=2), Path("out"))
    (out / "masks.yaml").write_text("[1, 2]\n")
    with pytest.raises(ValueError, match=r"masks.yaml is not what this command has written"):
        make_masks(MasksConfig(photos, segmenter=net), out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="full exists already and is not empty: choose another"):
        make_masks(MasksConfig(photos, segmenter=net), tmp_path / "full")
    for inside in (Path(photos), Path(photos) / "masks"):
        with pytest.raises(ValueError, match=r"lies inside of .*photos: choose a folder outside"):
            make_masks(MasksConfig(photos, segmenter=net), inside)


def test_bad_photos_are_listed_after_all_others_are_done(photos, net, tmp_path):
    (tmp_path / "photos" / "cat" / "00.png").write_bytes(b"no image")
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="1 of 22 images cannot be used") as caught:
        make_masks(MasksConfig(photos, segmenter=net), out)
    assert "cat/00.png: 00.png is not a readable image" in str(caught.value)
    assert json.loads((out / "quality.json").read_text())["masks"] == 21
    disc()[0].save(tmp_path / "photos" / "cat" / "00.png")
    assert len(make_masks(MasksConfig(photos, segmenter=net), out).rows) == 22


def test_two_processes_never_share_a_folder(photos, net, tmp_path):
    config, out = MasksConfig(photos, segmenter=net), tmp_path / "out"
    with (
        alone_in(out, "making masks"),
        pytest.raises(ValueError, match=r"another process is making masks in .*out"),
    ):
        make_masks(config, out)
    assert len(make_masks(config, out).rows) == 22


def test_nothing_is_left_where_no_mask_was_made(photos, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="segmenter 'nope' is not known"):
        make_masks(MasksConfig(photos, segmenter="nope"), out)
    with pytest.raises(ValueError, match=r"22 of 22 images.*\n.*has no transparency"):
        make_masks(MasksConfig(photos, "alpha"), out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "nowhere"}, "source nowhere is no folder of photos and no table"),
        ({"origin": "files"}, "origin is 'files', but .* names no masks: give mask_path"),
        ({"origin": "boxes"}, "origin is 'boxes', but .* names none: give a table with the"),
        ({"mask_path": "nowhere"}, "mask_path nowhere is not a folder"),
        ({"mask_path": "x", "origin": "boxes"}, "mask_path is given, and origin is 'boxes'"),
        ({"batch_size": 0}, "batch_size is 0: give at least 1"),
    ],
)
def test_wrong_options_are_named(photos, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        make_masks(MasksConfig(**({"source": photos} | options)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_photos_with_one_name(photos, tmp_path, net):
    disc()[0].save(tmp_path / "photos" / "cat" / "00.jpg")
    with pytest.raises(
        ValueError, match=r"cat/00.png: its mask would have the name of that of cat"
    ):
        make_masks(MasksConfig(photos, segmenter=net), tmp_path / "out")


def test_rows_of_a_table_are_checked_before_anything_is_made(photos, tmp_path, net):
    table = tmp_path / "t.csv"
    table.write_text(
        "image,label,box\n"
        "photos/cat/00.png,cat,1 2 3\n"
        "photos/cat/02.png,cat,1 2 30 30\n"
        "photos/cat/02.png,cat,1 2 31 30\n"
        "photos/cat/none.png,cat,\n"
    )
    with pytest.raises(ValueError, match="3 of 4 images cannot be used") as caught:
        make_masks(MasksConfig(str(table), segmenter=net), tmp_path / "out")
    lines = str(caught.value).splitlines()[1:]
    assert lines[0] == (
        "  t.csv, row 2: the box '1 2 3' is not four numbers: give x0 y0 x1 y1, in pixels"
    )
    assert lines[1] == "  t.csv, row 4: has the photo of t.csv, row 3, but another box or mask"
    assert lines[2].startswith("  t.csv, row 5: ")
    assert lines[2].endswith("none.png does not exist")
    with pytest.raises(ValueError, match="mask_path is for folders: name the masks of"):
        make_masks(MasksConfig(str(table), mask_path=photos), tmp_path / "out")


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ("1 2 300 30", "the box 1 2 300 30 is not inside of the image's 48 x 40"),
        ("-1 2 30 30", "the box -1 2 30 30 is not inside of the image's 48 x 40"),
        ("30 2 20 30", "the box 30 2 20 30 ends before it begins: give x0 y0 x1 y1, not a width"),
        ("30 2 40 2", "the box 30 2 40 2 ends before it begins"),
    ],
)
def test_a_box_that_is_none_of_its_photo(box, message, photos, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(f"image,label,box\nphotos/cat/00.png,cat,{box}\n")
    with pytest.raises(ValueError, match=message):
        make_masks(MasksConfig(str(table)), tmp_path / "out")


def read_back(source: Path, mask_path: Path | None, ons: dict[str, np.ndarray]) -> None:
    config = DataConfig(str(source), image_size=40, mask_path=mask_path and str(mask_path))
    samples = find_source(config.source).load(config)
    assert samples.images.has_masks
    images, masks = samples.images.read(torch.arange(len(samples)))
    assert masks is not None
    bright = images.mean(1) > 0.45
    found = masks[:, 0] > 0.5
    overlaps = (bright & found).sum((1, 2)) / (bright | found).sum((1, 2))
    assert overlaps.min() > 0.75
    assert len(samples) == len(ons)


def test_training_reads_masks_of_a_folder_with_splits(tmp_path, net, write):
    ons = {
        name: write(f"photos/{name}")
        for split in ("train", "val", "test")
        for name in (f"{split}/cat/a.jpg", f"{split}/dog/b.jpg")
    }
    make_masks(MasksConfig(str(tmp_path / "photos"), segmenter=net), tmp_path / "out")
    assert (tmp_path / "out" / "val" / "dog" / "b.png").is_file()
    read_back(tmp_path / "photos", tmp_path / "out", ons)


def test_training_reads_masks_of_a_metadata_csv(tmp_path, net, write):
    ons = {f"{index}.jpg": write(f"set/img/{index}.jpg") for index in range(4)}
    lines = [f"img/{name},{index % 2},{index % 3}" for index, name in enumerate(ons)]
    (tmp_path / "set" / "metadata.csv").write_text("\n".join(["img_filename,y,split", *lines]))
    make_masks(MasksConfig(str(tmp_path / "set"), segmenter=net), tmp_path / "out")
    read_back(tmp_path / "set", tmp_path / "out", ons)


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_training_reads_the_copy_of_a_table(tmp_path, net, write, ending):
    """Photos beside the table and elsewhere, groups and splits, and a photo that is named twice."""
    elsewhere = [f"elsewhere/{index}.png" for index in range(2)]
    names = [f"table/own/{index}.png" for index in range(4)] + elsewhere
    ons = {name: write(name) for name in names}
    paths = [os.path.relpath(tmp_path / name, tmp_path / "table") for name in names]
    rows = [
        (path, "cat" if index % 2 else "dog", f"place {index % 2}", "val" if index > 3 else "train")
        for index, path in enumerate(paths)
    ]
    rows.append(rows[0])
    table = tmp_path / "table" / f"photos.{ending}"
    columns = ("image", "label", "group", "split")
    if ending == "parquet":
        pandas = pytest.importorskip("pandas")
        pandas.DataFrame(rows, columns=columns).to_parquet(table)
    else:
        with table.open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if ending == "tsv" else ",")
            writer.writerows([columns, *rows])
    (tmp_path / "disk" / "deep").mkdir(parents=True)
    (tmp_path / "new").symlink_to(tmp_path / "disk" / "deep")
    report = make_masks(MasksConfig(str(table), segmenter=net), tmp_path / "new" / "out")
    assert report.table == tmp_path / "new" / "out" / "photos.csv"
    copied = rows_of(report.table)
    assert [row["group"] for row in copied] == [row[2] for row in rows]
    assert [row["split"] for row in copied] == ["train"] * 4 + ["validation"] * 2 + ["train"]
    for row, name in zip(copied, [*names, names[0]], strict=True):
        assert overlap(report.table.parent / row["mask"], ons[name]) > 0.8
    read_back(report.table, None, ons)


def test_report_and_sheet(photos, net, tmp_path):
    """Labels that the outline gives away are seen; so are photos without any object."""
    for index in range(10, 40):
        name = ("cat", "dog")[index % 2]
        pixels = np.zeros((40, 48, 3), np.uint8)
        pixels[5:35, 4:14] = 240
        if name == "dog":
            pixels = pixels[:, ::-1]
        Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{index:02d}.png")
    Image.new("RGB", (48, 40), (80, 80, 80)).save(tmp_path / "photos" / "cat" / "00.png")
    report = make_masks(MasksConfig(photos, segmenter=net), tmp_path / "out")
    assert report.suspicious == 1
    assert report.flags == {"full": 1}
    assert report.origins == {"segmenter": 39, "nothing found": 1}
    with Image.open(tmp_path / "out" / "cat" / "00.png") as mask:
        assert mask.getextrema() == (255, 255)
    assert report.outline.leaks
    assert report.outline.accuracy > 0.8
    summary = json.loads((tmp_path / "out" / "quality.json").read_text())
    assert summary["leakage"]["outline"]["accuracy"] == report.outline.accuracy
    assert summary["median"]["confidence"] == report.median("confidence")
    rows = rows_of(tmp_path / "out" / "quality.csv")
    assert [row["flags"] for row in rows if row["mask"] == "cat/00.png"] == ["full"]
    with Image.open(tmp_path / "out" / "sheet.png") as sheet:
        sheet.load()
        assert sheet.width < 1200


def test_a_mask_of_hardly_anything_is_reported(photos, net, tmp_path):
    """One that 16 pixels a side do not show, and one that is beside the middle square."""
    config = MasksConfig(photos, segmenter=net, batch_size=4)
    out = tmp_path / "out"
    make_masks(config, out)
    for name, place in (("00", (20, 24)), ("02", (20, 1))):
        values = np.zeros((40, 48), dtype=np.uint8)
        values[place] = 255
        Image.fromarray(values).save(out / "cat" / f"{name}.png")
    assert make_masks(config, out).flags == {"empty": 2, "cut off": 1}


def test_a_mask_that_was_spoiled_is_named(photos, net, tmp_path):
    make_masks(MasksConfig(photos, segmenter=net), tmp_path / "out")
    (tmp_path / "out" / "cat" / "02.png").write_bytes(b"spoiled")
    with pytest.raises(
        ValueError, match=r"02.png is not a readable image: delete it, and the same"
    ):
        make_masks(MasksConfig(photos, segmenter=net), tmp_path / "out")
