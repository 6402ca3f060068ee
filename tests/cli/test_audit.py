"""The command `audit`: from files to a page, and one clear sentence for each wrong input."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from causalogit.cli.main import main
from causalogit.config import RunConfig, config_to_dict
from causalogit.train.checkpoint import save_checkpoint
from tests.auditing.conftest import make_samples
from tests.auditing.test_checkpoint import write_onnx
from tests.devices import needs_gpu

QUICK = ["--attention", "4", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Photos of red and blue discs with masks, and a module that reads them, in the directory."""
    samples = make_samples(40)
    images, masks = samples.images.read(torch.arange(40))
    for place, (image, mask) in enumerate(zip(images, masks, strict=True)):
        label = samples.class_names[samples.labels[place]]
        for kind, pixels in (("photos", image.permute(1, 2, 0)), ("masks", mask[0])):
            file = tmp_path / kind / label / f"{place}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * 255).round().numpy().astype(np.uint8)).save(file)
    # the classes of a folder come in alphabetical order: cold, hot
    (tmp_path / "discs.py").write_text(
        "import torch\n"
        "class Reads(torch.nn.Module):\n"
        "    def forward(self, images):\n"
        "        means = images.mean((2, 3))\n"
        "        return torch.stack([means[:, 2], means[:, 0]], 1)\n"
        "make = Reads\n"
    )
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("discs", None)


PHOTOS = ["--data.source", "photos", "--data.mask_path", "masks", "--data.image_size", "24"]


def test_from_a_folder_to_a_page(folder, capsys):
    assert main(["audit", "discs:make", *PHOTOS, *QUICK]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "This classifier does not rely on the background." in printed
    assert "Does not rely on the background: on a background that speaks for “hot”" in printed
    found = json.loads((folder / "audit" / "audit.json").read_text())
    assert found["overall"]["as_is"]["value"] == 1
    assert found["per_photo"]["file"][0] == "photos/cold/1.png"
    page = (folder / "audit" / "audit.html").read_text()
    assert "This classifier does not rely on the background." in page
    # the same command again only writes what it knows
    assert main(["audit", "discs:make", *PHOTOS, *QUICK]) == 0
    assert json.loads((folder / "audit" / "audit.json").read_text()) == found


def test_a_mask_that_was_corrected_is_looked_at_anew(folder):
    command = ["audit", "discs:make", *PHOTOS, *QUICK]
    areas = []
    for value in (None, 255):
        if value is not None:
            Image.new("L", (24, 24), value).save(folder / "masks" / "cold" / "3.png")
        assert main(command) == 0
        columns = json.loads((folder / "audit" / "audit.json").read_text())["per_photo"]
        areas.append(columns["object_area"][columns["file"].index("photos/cold/3.png")])
    assert areas[0] < 0.3
    assert areas[1] == 1


def test_a_run_of_ours_on_its_own_test_set(tmp_path, capsys):
    run = tmp_path / "run"
    tiny = ["--data.meta.per_class", "10", "--data.validation_size", "50"]
    train = ["train", "--method", "erm", "--out", str(run), "--optimizer.epochs", "4", *tiny]
    assert main([*train, "--data.test_size", "3000"]) == 0
    assert main(["audit", str(run / "last.ckpt"), "--out", str(tmp_path / "out"), *QUICK]) == 0
    found = json.loads((tmp_path / "out" / "audit.json").read_text())
    row = json.loads((run / "results.json").read_text())["runs"][0]
    assert found["overall"]["as_is"]["value"] == pytest.approx(row["last"]["accuracy/test_mean"])
    assert found["verdict"]["word"] == "relies"  # on the colour, which goes with the digits
    assert found["object_name"] == "digit"


OF_A_RUN = "checkpoint of a run, which"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data.image_size", "24"], "are given, but no data.source: give the folder"),
        (["--data.mask_path", "masks"], "are given, but no data.source: give the folder"),
        (["--model.outputs", "[a,b]"], f"options of the model are given, but .* {OF_A_RUN} says"),
        ([*PHOTOS, "--model.mean", "[0.5]", "--model.std", "[0.2]"], f"{OF_A_RUN} holds its own"),
    ],
)
def test_options_that_a_run_of_ours_would_not_listen_to_are_refused(
    folder, capsys, arguments, message
):
    run = RunConfig(method="erm", model="cnn")
    state = {"config": config_to_dict(run), "model": {}, "epoch": 1}
    save_checkpoint(folder / "last.ckpt", state)
    assert main(["audit", "last.ckpt", *QUICK, *arguments]) == 1
    assert re.search(message, " ".join(capsys.readouterr().err.split()))


@needs_gpu
def test_a_gpu_says_what_the_cpu_does(folder):
    told = []
    for device in ("cpu", "cuda"):
        command = ["audit", "discs:make", *PHOTOS, *QUICK, "--device", device, "--out", device]
        assert main(command) == 0
        told.append(json.loads((folder / device / "audit.json").read_text())["overall"])
    for name in ("as_is", "reliance"):
        assert told[1][name] == pytest.approx(told[0][name], abs=1e-3)


def test_a_table_with_boxes_and_a_split(folder):
    lines = ["image,label,box,split"]
    for place, file in enumerate(sorted(folder.glob("photos/*/*.png"))):
        on = np.argwhere(
            np.asarray(Image.open(folder / "masks" / file.relative_to(folder / "photos")))
        )
        (y0, x0), (y1, x1) = on.min(0), on.max(0) + 1
        split = ("train", "test")[place % 2]
        lines.append(f"{file.relative_to(folder)},{file.parent.name},{x0} {y0} {x1} {y1},{split}")
    (folder / "photos.csv").write_text("\n".join(lines))
    arguments = ["--data.source", "photos.csv", "--data.image_size", "24"]
    assert main(["audit", "discs:make", *arguments, *QUICK]) == 0
    found = json.loads((folder / "audit" / "audit.json").read_text())
    assert found["photos"] == 20
    assert "The masks are boxes" in found["cautions"][0]


def test_a_table_of_test_photos_alone_is_audited_but_not_trained_on(folder, capsys):
    lines = ["image,label,mask,split"]
    for file in sorted(folder.glob("photos/*/*.png")):
        name = file.relative_to(folder / "photos")
        lines.append(f"photos/{name},{file.parent.name},masks/{name},test")
    (folder / "photos.csv").write_text("\n".join(lines))
    arguments = ["--data.source", "photos.csv", "--data.image_size", "24"]
    assert main(["audit", "discs:make", *arguments, *QUICK]) == 0
    assert json.loads((folder / "audit" / "audit.json").read_text())["photos"] == 40
    capsys.readouterr()
    assert main(["train", *arguments, "--method", "erm"]) == 1
    assert "photos.csv has no training images: give some the split 'train'" in (
        capsys.readouterr().err
    )


def spoil_corrupt(folder: Path) -> None:
    (folder / "photos" / "hot" / "2.png").write_bytes(b"no image")


def spoil_size(folder: Path) -> None:
    Image.new("L", (10, 12), 255).save(folder / "masks" / "hot" / "2.png")


def spoil_empty_mask(folder: Path) -> None:
    Image.new("L", (24, 24), 0).save(folder / "masks" / "hot" / "2.png")


def spoil_class(folder: Path) -> None:
    for file in (folder / "photos" / "hot").iterdir():
        file.unlink()


def spoil_pickle(folder: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), folder / "model.pth")


def spoil_onnx(folder: Path) -> None:
    write_onnx(folder / "fixed.onnx", size=32)
    write_onnx(folder / "three.onnx")
    (folder / "bad.onnx").write_bytes(b"no graph")


def spoil_weights(folder: Path) -> None:
    torch.save({"weight": torch.zeros(2, 2)}, folder / "other.pth")


def spoil_nan(folder: Path) -> None:
    (folder / "discs.py").write_text(
        "import torch\n"
        "class Reads(torch.nn.Module):\n"
        "    def forward(self, images):\n"
        "        return images.mean((2, 3))[:, :2] / 0\n"
        "make = Reads\n"
    )


TIMM = ["--model.architecture", "test_resnet"]
UNMASKED = ["--data.mask_path", "null"]


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (spoil_corrupt, ["discs:make"], r"hot/2\.png: 2\.png is not a readable image"),
        (spoil_size, ["discs:make"], r"hot/2\.png: the mask .* has 10 x 12 pixels, its image 24"),
        (spoil_empty_mask, ["discs:make"], r"hot/2\.png: the mask .* shows no object"),
        (spoil_class, ["discs:make"], r"photos/hot has no images: remove the folder"),
        (spoil_onnx, ["three.onnx"], r"has 3 outputs, the photos 2 classes \(cold, hot\)"),
        (spoil_onnx, ["fixed.onnx"], r"fixed\.onnx does not take .* set data.image_size to 32"),
        (spoil_onnx, ["bad.onnx"], r"bad\.onnx is not a model that onnxruntime reads"),
        (spoil_pickle, ["model.pth"], r"model\.pth is no file of weights alone, and to read"),
        (spoil_pickle, ["model.pth", *TIMM], r"model\.pth cannot be read safely"),
        (spoil_weights, ["other.pth"], r"other\.pth holds weights alone: say what they belong to"),
        (spoil_weights, ["other.pth", *TIMM], r"does not fit test_resnet"),
        (spoil_weights, ["other.pth", TIMM[0], "nope"], r"model 'nope' is not known"),
        (None, ["nowhere.pth"], r"nowhere\.pth: there is no such file; give a checkpoint"),
        (None, ["discs:make", "--model.outputs", "[hot,warm]"], r"no output .* is named cold"),
        (None, ["discs:make", "--model.outputs", "[hot,a,cold]"], r"3 names .* has 2 outputs"),
        (None, ["discs:make", "--model.mean", "[0.5]"], r"model.mean is \[0\.5\] and model.std"),
        (None, ["discs:make", "--data.split", "validation"], r"photos has no validation photos"),
        (None, ["discs:make", *UNMASKED, "--segmenter", "nope"], r"segmenter 'nope'"),
        (None, ["discs:make", "--device", "tpux"], r"device 'tpux' cannot be used here"),
        (spoil_nan, ["discs:make"], r"gives values that are not finite"),
    ],
)
def test_wrong_input_gives_one_clear_sentence(folder, capsys, spoil, arguments, message):
    if spoil is not None:
        spoil(folder)
    assert main(["audit", *PHOTOS, *QUICK, *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("causalogit: ")
    assert re.search(message, " ".join(error.split())), error
    assert "Traceback" not in error


def test_a_forward_that_fails_in_its_own_way_is_told(folder, capsys):
    (folder / "discs.py").write_text(
        "import torch\n"
        "class Fails(torch.nn.Module):\n"
        "    def forward(self, images):\n"
        "        return {}['logits']\n"
        "make = Fails\n"
    )
    assert main(["audit", "discs:make", *PHOTOS, *QUICK]) == 1
    assert "does not take photos of shape (1, 3, 24, 24) (KeyError: 'logits')" in " ".join(
        capsys.readouterr().err.split()
    )


def test_another_classifier_does_not_take_the_place_of_the_first(folder, capsys):
    command = ["audit", "discs:make", *PHOTOS, *QUICK]
    assert main(command) == 0
    before = (folder / "audit" / "audit.json").read_bytes()
    (folder / "discs.py").write_text(
        (folder / "discs.py").read_text().replace("torch.nn.Module", "torch.nn.Identity")
    )
    (folder / "discs.py").write_text((folder / "discs.py").read_text().replace("Reads", "Other"))
    sys.modules.pop("discs")
    assert main(command) == 1
    assert "audit holds the audit of another classifier: choose" in capsys.readouterr().err
    assert (folder / "audit" / "audit.json").read_bytes() == before
    (folder / "file").write_text("")
    assert main([*command, "--out", "file"]) == 1
    assert "file is no folder" in capsys.readouterr().err


def test_photos_without_masks_and_no_photos_at_all(folder, capsys):
    assert main(["audit", "discs:make", "--data.source", "photos", *QUICK]) == 1
    assert "the photos have no masks: give a folder of them" in capsys.readouterr().err
    assert main(["audit", "discs:make", *QUICK]) == 1
    assert "which photos? Give data.source" in capsys.readouterr().err
