"""One command each for a folder of photos with masks, and for a table of photos with masks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from causalogit.cli.main import main

TINY = ["--data.image_size", "28", "--model", "lenet", "--optimizer.epochs", "1"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty bright and forty dark squares on noise, with their outlines as masks."""
    draws = np.random.default_rng(0)
    lines = ["image,label,group,mask,split"]
    for i in range(80):
        label, place = ("bright", "dark")[i % 2], ("day", "night")[i // 2 % 2]
        pixels = draws.integers(100, 156, (40, 32, 3), dtype=np.uint8)
        mask = np.zeros((40, 32), np.uint8)
        mask[12:28, 8:24] = 255
        pixels[mask > 0] = 250 if label == "bright" else 5
        for folder, values in (("photos", pixels), ("masks", mask)):
            path = tmp_path / folder / label / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(path)
        split = ("train", "train", "train", "meta", "val", "test")[i // 4 % 6]
        lines.append(f"photos/{label}/{i}.png,{label},{place},masks/{label}/{i}.png,{split}")
    (tmp_path / "photos.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def trained(out: Path, *options: str) -> dict[str, float]:
    assert main(["train", *options, "--out", str(out), *TINY]) == 0
    row = json.loads((out / "results.json").read_text())["runs"][0]
    assert main(["evaluate", str(out / "last.ckpt")]) == 0
    return dict(row["last"])


def test_a_folder_with_masks(photos, tmp_path):
    last = trained(
        tmp_path / "run",
        "--method", "clp",
        "--data.source", str(photos / "photos"),
        "--data.mask_path", str(photos / "masks"),
    )  # fmt: skip
    assert "accuracy/group/1" in last
    assert "accuracy/group/2" not in last


def test_a_table_with_masks_and_groups(photos, tmp_path):
    last = trained(
        tmp_path / "run", "--method", "clp_factual", "--data.source", str(photos / "photos.csv")
    )
    assert {f"accuracy/group/{group}" for group in range(4)} <= set(last)


def test_masks_of_the_meta_photos_are_enough_for_budget_b(photos, tmp_path, capsys):
    table = photos / "photos.csv"
    head, *rows = table.read_text().splitlines()
    rows = [re.sub(r"masks/[^,]*", "", row) if not row.endswith("meta") else row for row in rows]
    table.write_text("\n".join([head, *rows]) + "\n")
    trained(tmp_path / "b", "--method", "clp", "--data.source", str(table))
    options = ["train", "--method", "clp_factual", "--data.source", str(table), *TINY]
    assert main([*options, "--out", str(tmp_path / "c")]) == 1
    assert "masks" in capsys.readouterr().err


def test_bad_rows_stop_the_command_before_it_trains(photos, tmp_path, capsys):
    (photos / "photos/bright/0.png").unlink()
    (photos / "masks/dark/1.png").write_bytes(b"")
    source = str(photos / "photos.csv")
    assert main(["train", "--data.source", source, "--out", str(tmp_path / "run"), *TINY]) == 1
    error = capsys.readouterr().err.splitlines()
    assert error[0] == f"causalogit: {source}: 2 of 80 images cannot be used"
    assert error[1].startswith("  photos.csv, row 2: ")
    assert error[2].startswith("  photos.csv, row 3: the mask ")
    assert not (tmp_path / "run").exists()
