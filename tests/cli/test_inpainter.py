"""`inpainter train`, and runs whose counterfactual images it makes."""

from __future__ import annotations

import pytest
import torch

from causalogit.cli.main import main
from tests.augment.inpainters.test_elsewhere import write_onnx
from tests.data.pictures import write_pictures

TINY = [
    "--data.meta.per_class", "10", "--data.validation_size", "50", "--data.test_size", "4500",
    "--optimizer.epochs", "1", "--method", "clp", "--clp.meta_batch_size", "4",
]  # fmt: skip


@pytest.fixture
def clp(tmp_path, capsys):
    """Runs CLP with these options; gives the code and what was printed."""

    def run(*options, out="run"):
        code = main(["train", "--out", str(tmp_path / out), *TINY, *options])
        printed = capsys.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    return run


def test_an_inpainter_is_trained_and_used(clp, tmp_path, capsys):
    out = tmp_path / "inpainter"
    command = ["inpainter", "train", "--steps", "2", "--width", "2", "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "smooth guess" in printed
    file = out / "inpainter.safetensors"
    assert f"--clp.counterfactual inpainter --clp.inpainter.model {file}" in printed
    again = ["inpainter", "train", "--config", str(out / "inpainter.yaml"), "--out", str(out)]
    assert main(again) == 0
    code, printed = clp("--clp.counterfactual", "inpainter", "--clp.inpainter.model", str(file))
    assert code == 0, printed


def test_opencv_is_a_fill_by_its_name(clp):
    code, printed = clp("--clp.counterfactual", "opencv")
    assert code == 0, printed


def test_images_of_a_slow_inpainter_are_kept(clp, tmp_path):
    file, kept = write_onnx(tmp_path / "lama.onnx"), tmp_path / "kept"
    options = ("--clp.counterfactual", "inpainter", "--clp.inpainter.model", str(file))
    options += ("--clp.inpainter.kept", str(kept))
    assert clp(*options)[0] == 0
    names = {path.name for path in kept.iterdir()}
    assert 0 < len(names) <= 50  # at most the meta images
    times = {path.name: path.stat().st_mtime_ns for path in kept.iterdir()}
    assert clp(*options, out="again")[0] == 0
    assert {path.name: path.stat().st_mtime_ns for path in kept.iterdir()} == times
    code, printed = clp(*options, "--data.transform", "pad_crop_flip", out="cropped")
    assert code == 1
    assert "slow and paints every image once, but data.transform is 'pad_crop_flip'" in printed


def test_wrong_inpainters_give_one_sentence(clp, tmp_path):
    code, printed = clp("--clp.counterfactual", "inpainter")
    assert code == 1
    assert "the fill 'inpainter' needs one: set clp.inpainter.model" in printed
    code, printed = clp(
        "--clp.counterfactual", "inpainter", "--clp.inpainter.model", "nothing.safetensors"
    )
    assert code == 1
    assert printed.endswith("causalogit: inpainter nothing.safetensors: there is no such file")
    script = tmp_path / "lama.pt"
    torch.jit.script(torch.nn.Identity()).save(str(script))
    code, printed = clp("--clp.counterfactual", "inpainter", "--clp.inpainter.model", str(script))
    assert code == 1
    assert "set clp.inpainter.trust to true" in printed
    with pytest.raises(SystemExit):
        clp("--clp.factual", "inpainter")


def test_a_source_without_masks_is_refused(tmp_path, capsys):
    write_pictures(tmp_path, {}, {"cat": 30, "dog": 30})
    command = ["inpainter", "train", "--data.source", str(tmp_path / "scenes")]
    assert main([*command, "--data.image_size", "16", "--out", str(tmp_path / "out")]) == 1
    assert "has no masks: give some" in " ".join(capsys.readouterr().err.split())
