"""From photos alone to masks, and from these to a classifier, by the commands that are printed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from causalogit.cli.main import main
from tests.masks.nets import write_brightness_model


@pytest.fixture
def photos(tmp_path):
    """Forty bright squares and forty bright bars on dark noise."""
    draws = np.random.default_rng(0)
    lines = ["image,label"]
    for index in range(80):
        label = ("square", "bar")[index % 2]
        pixels = draws.integers(0, 80, (40, 32, 3), dtype=np.uint8)
        pixels[12:28, 8 : 24 if label == "square" else 14] = 250
        path = tmp_path / "photos" / label / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        lines.append(f"photos/{label}/{index}.png,{label}")
    (tmp_path / "photos.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def net(tmp_path):
    pytest.importorskip("onnxruntime")
    return str(write_brightness_model(tmp_path / "net.onnx"))


@pytest.mark.parametrize("source", ["photos", "photos.csv"])
def test_masks_then_train(photos, net, source, tmp_path, capsys):
    """Also where the segmenter finds nothing in a photo."""
    out = str(tmp_path / "out")
    Image.new("RGB", (32, 40)).save(photos / "photos" / "bar" / "1.png")
    masks = ["masks", "--source", str(photos / source), "--out", out, "--segmenter", net]
    assert main(masks) == 0
    printed = capsys.readouterr().out
    assert "80 masks" in printed
    assert "segmenter: 79, nothing found: 1" in printed
    assert "nothing was found in 1 of 80 photos" in " ".join(printed.split())
    assert "50 % by chance" in printed
    assert "The outline tells" in printed or "Where the object is" in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("train on: ")]
    options = line.removeprefix("train on: ").split()
    train = [
        "train", *options, "--method", "clp_factual", "--out", str(tmp_path / "run"),
        "--data.image_size", "28", "--data.meta.per_class", "4", "--optimizer.epochs", "1",
    ]  # fmt: skip
    assert main(train) == 0
    row = json.loads((tmp_path / "run" / "results.json").read_text())["runs"][0]
    assert row["budget"] == "C"
    assert main(["masks", "--config", f"{out}/masks.yaml", "--out", out]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--segmenter", "nope"], "segmenter 'nope' is not known: choose among u2netp, u2net, "),
        (["--segmenter_path", "no.onnx"], "the segmenter's path no.onnx does not exist"),
        (["--origin", "files"], "origin is 'files', but "),
        (["--source", "nowhere"], "source nowhere is no folder of photos and no table"),
        (["--batch_size", "0"], "batch_size is 0: give at least 1"),
    ],
)
def test_wrong_values_give_one_sentence_and_code_1(photos, options, message, tmp_path, capsys):
    given = ["masks", "--source", str(photos / "photos"), "--out", str(tmp_path / "out")]
    assert main([*given, *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("causalogit: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_few_photos_are_enough_for_masks_but_not_for_the_probe(photos, net, tmp_path, capsys):
    table = photos / "few.csv"
    table.write_text("\n".join((photos / "photos.csv").read_text().splitlines()[:6]) + "\n")
    out = str(tmp_path / "out")
    assert main(["masks", "--source", str(table), "--out", out, "--segmenter", net]) == 0
    assert capsys.readouterr().out.count("too few photos to tell") == 2
