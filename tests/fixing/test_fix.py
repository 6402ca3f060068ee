"""The command `fix` from files to a new model, and one clear sentence for each wrong input."""

from __future__ import annotations

import json
import re
import shutil
import sys

import jsonschema
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import causalogit
from causalogit.cli.main import main
from causalogit.config import DataConfig, OptimizerConfig
from causalogit.files import alone_in
from causalogit.fixing import SCHEMA
from tests.auditing.test_checkpoint import write_onnx
from tests.devices import DEVICES
from tests.fixing.conftest import write_finder

PHOTOS = ["--data.source", "photos", "--data.image_size", "24"]
MASKS = ["--data.mask_path", "masks"]
QUICK = [
    "--attention", "4", "--device", "cpu", "--optimizer.epochs", "6",
    "--optimizer.learning_rate", "0.3",
]  # fmt: skip
PLAIN = ["--method", "erm_factual"]


def run(*arguments: str) -> int:
    return main(["fix", *PHOTOS, *QUICK, *arguments])


def found(folder, out="fix"):
    return json.loads((folder / out / "fix.json").read_text())


@pytest.mark.parametrize("device", DEVICES)
def test_the_default_recipe_makes_it_go_by_the_object(folder, capsys, device):
    assert run("discs:make", *MASKS, "--device", device) == 0
    printed = " ".join(capsys.readouterr().out.split())
    told = found(folder)
    jsonschema.validate(told, json.loads(SCHEMA.read_text()))
    assert told["method"] == "clp_factual"
    assert told["before"]["verdict"]["word"] == "relies"
    assert told["outcome"]["word"] == "fixed", told["outcome"]
    assert told["reliance"]["difference"]["high"] < -0.4
    assert printed.endswith(told["outcome"]["last"])
    assert told["seen"] == "unknown"
    for name in ("fix.html", "model.json", "before/audit.html", "after/audit.json"):
        assert (folder / "fix" / name).is_file()


def test_without_the_mechanism_nothing_changes(folder):
    assert run("discs:make", *MASKS, "--method", "erm") == 0
    told = found(folder)
    assert told["before"]["verdict"]["word"] == "relies"
    assert told["after"]["verdict"]["word"] == "relies"
    assert told["outcome"]["word"] in ("unchanged", "better")
    assert "now it does not" not in (folder / "fix" / "fix.html").read_text()


def test_the_new_weights_are_the_user_s_own_and_answer_alike(folder):
    assert run("discs:make", *MASKS, *PLAIN, "--onnx", "true") == 0
    card = json.loads((folder / "fix" / "model.json").read_text())
    assert card["classes"] == ["cold", "hot"]
    home = sys.modules["discs"].make()
    home.load_state_dict(load_file(folder / "fix" / "model.safetensors"), strict=True)
    state = torch.load(folder / "fix" / "run" / "last.ckpt", weights_only=True)["model"]
    photos = torch.rand(4, 3, 24, 24)
    trained = sys.modules["discs"].make()
    trained.load_state_dict(state)
    assert torch.equal(home(photos), trained(photos))
    # the lines that the card gives do what they say
    names: dict[str, object] = {}
    lines = [line.replace("model.safetensors", "fix/model.safetensors") for line in card["load"]]
    sys.path.insert(0, "")
    try:
        exec("\n".join(lines), names)
    finally:
        sys.path.remove("")
    assert torch.equal(names["model"](photos), home(photos))
    # and both files are audited like any classifier: it does what the page says
    after = found(folder)["after"]["overall"]
    weights = ["fix/model.safetensors", "--model.architecture", "discs:make"]
    for out, given in (("one", weights), ("two", ["fix/model.onnx"])):
        options = [*PHOTOS, *MASKS, "--data.split", "all", "--out", out]
        assert main(["audit", *given, *options]) == 0
        again = json.loads((folder / out / "audit.json").read_text())["overall"]
        assert again["as_is"]["value"] == pytest.approx(after["as_is"]["value"], abs=0.1)


def test_outputs_in_another_order_come_back_in_that_order(folder):
    text = (folder / "discs.py").read_text()
    swapped = text.replace(
        "weight[0, 1], layers[4].weight[1, 1]", "weight[1, 1], layers[4].weight[0, 1]"
    )
    (folder / "discs.py").write_text(
        swapped.replace("bias[0], layers[4].bias[1]", "bias[1], layers[4].bias[0]")
    )
    assert run("discs:make", *MASKS, *PLAIN, "--model.outputs", "[hot,cold]") == 0
    card = json.loads((folder / "fix" / "model.json").read_text())
    assert card["classes"] == ["hot", "cold"]
    assert found(folder)["outcome"]["word"] == "fixed"
    model = sys.modules["discs"].make()
    model.load_state_dict(load_file(folder / "fix" / "model.safetensors"))
    red = torch.zeros(1, 3, 24, 24)
    red[:, 0, 8:16, 8:16] = 1
    assert model(red).argmax().item() == 0


def test_masks_of_a_segmenter_alone(folder, capsys):
    write_finder(folder / "finder.onnx")
    shutil.rmtree(folder / "masks")
    nothing = sorted((folder / "photos" / "hot").iterdir())[0]
    Image.new("RGB", (24, 24), (0, 200, 0)).save(nothing)
    assert run("discs:make", *PLAIN, "--segmenter", "finder.onnx") == 0
    told = found(folder)
    assert told["masks"] == {"made": 240, "unfound": 1, "segmenter": "finder.onnx"}
    assert told["reliance"]["difference"]["high"] < -0.2  # soft edges let some ground through
    assert "found no object in 1 of 240 photos" in " ".join(capsys.readouterr().out.split())
    assert len(list((folder / "fix" / "masks").rglob("*.png"))) == 241  # and the sheet
    # the same command again makes nothing anew
    stamp = (folder / "fix" / "masks" / "hot" / "2.png").stat().st_mtime_ns
    assert run("discs:make", *PLAIN, "--segmenter", "finder.onnx") == 0
    assert found(folder)["masks"]["unfound"] == 1
    assert (folder / "fix" / "masks" / "hot" / "2.png").stat().st_mtime_ns == stamp


def test_masks_on_the_meta_photos_alone_choose_another_recipe(folder):
    lines = ["image,label,mask,split"]
    splits = ("train", "train", "test", "train", "meta", "validation")
    for place, file in enumerate(sorted(folder.glob("photos/*/*.png"))):
        name, split = file.relative_to(folder / "photos"), splits[place % 6]
        mask = f"masks/{name}" if split in ("meta", "test") else ""
        lines.append(f"photos/{name},{file.parent.name},{mask},{split}")
    (folder / "photos.csv").write_text("\n".join(lines))
    table = ["--data.source", "photos.csv", "--data.image_size", "24"]
    assert main(["fix", "discs:make", *table, *QUICK, "--optimizer.epochs", "1"]) == 0
    told = found(folder)
    assert told["method"] == "erm_meta_augmented"
    assert told["photos"] == 40


def test_the_same_from_python(folder):
    config = causalogit.FixConfig(
        data=DataConfig(source="photos", mask_path="masks", image_size=24),
        method="erm_factual",
        optimizer=OptimizerConfig(epochs=6, learning_rate=0.3),
        attention=0,
    )
    done = causalogit.fix(config, "discs:make", folder / "fix", pictures=False)
    assert done.outcome.word == "fixed"
    assert done.to_dict() == found(folder)
    with pytest.raises(ValueError, match="made without pictures"):
        done.to_html(folder / "fix.html")


def test_a_stopped_fix_goes_on_and_ends_alike(folder, monkeypatch):
    from causalogit.train import loop

    arguments = ("discs:make", *MASKS, *PLAIN)
    assert run(*arguments, "--out", "whole") == 0
    real, calls = loop.Trainer._end_epoch, []

    def stop(self, trained):
        real(self, trained)
        calls.append(self.epoch)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.Trainer, "_end_epoch", stop)
    assert run(*arguments) == 130
    assert not (folder / "fix" / "model.safetensors").exists()
    assert run(*arguments) == 0
    assert calls == [1, 2, 3, 4, 5, 6]
    first, second = found(folder, "whole"), found(folder)
    for told in (first, second):
        del told["settings"]
    assert first == second
    one, other = ((folder / o / "model.safetensors").read_bytes() for o in ("whole", "fix"))
    assert one == other


def test_a_network_that_onnx_cannot_express_costs_nothing_else(folder, monkeypatch, capsys):
    def fails(*_, **__):
        raise RuntimeError("Unsupported operator aten::foo")

    monkeypatch.setattr(torch.onnx, "export", fails)
    assert run("discs:make", *MASKS, *PLAIN, "--onnx", "true") == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "(Unsupported operator aten::foo); everything else is there: leave onnx out" in told
    card = json.loads((folder / "fix" / "model.json").read_text())
    assert "onnx" not in card
    assert found(folder)["model"] == card
    assert (folder / "fix" / "fix.html").is_file()


def test_a_second_one_at_once_is_refused_before_it_reads_anything(folder, capsys):
    with alone_in(folder / "fix", "fixing a classifier"):
        assert run("nothing:here", *MASKS) == 1
    assert "another process is fixing a classifier in fix: wait" in capsys.readouterr().err


def spoil_onnx(folder):
    write_onnx(folder / "model.onnx")


def spoil_script(folder):
    torch.jit.trace(torch.nn.Linear(2, 2), torch.rand(1, 2)).save(str(folder / "model.ts"))
    torch.jit.trace(torch.nn.Linear(2, 2), torch.rand(1, 2)).save(str(folder / "model.pt"))
    (folder / "model.pt2").write_bytes(b"")


def spoil_net(folder):
    text = (folder / "discs.py").read_text()
    softmax = text.replace("Linear(6, 2),", "Linear(6, 2), torch.nn.Softmax(1),")
    (folder / "discs.py").write_text(softmax)
    (folder / "ends.py").write_text(
        "import torch\n"
        "def make():\n"
        "    return torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1),"
        " torch.nn.Flatten())\n"
    )


def spoil_weights(folder):
    save_file({"weight": torch.zeros(2, 2)}, folder / "other.safetensors")


def spoil_class(folder):
    for place, file in enumerate(sorted((folder / "photos" / "hot").iterdir())):
        if place > 8:
            file.unlink()


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (spoil_onnx, ["model.onnx"], r"is ONNX, which can be audited but not trained: give its"),
        (spoil_script, ["model.ts"], r"is TorchScript, .* not trained: give its weights"),
        (spoil_script, ["model.pt"], r"is TorchScript, .* not trained: give its weights"),
        (spoil_script, ["model.pt2"], r"is a program of torch.export, .* not trained"),
        (spoil_net, ["discs:make"], r"changes the outputs of its last layer"),
        (spoil_net, ["ends:make"], r"has no nn.Linear with 2 outputs"),
        (spoil_weights, ["other.safetensors"], r"holds weights alone: say what they belong to"),
        (spoil_class, ["discs:make"], r"class hot has 9 images, but meta, validation, test ask"),
        (None, ["three:make"], r"has 3 outputs, the photos 2 classes"),
        (None, ["three:make", "--model.outputs", "[hot,warm,cold]"], r"let it return a model with"),
        (None, ["nowhere.pth"], r"nowhere\.pth: there is no such file"),
        (None, ["discs:make", "--method", "magic"], r"method 'magic' is not known"),
        (None, ["discs:make", "--method", "lisa"], r"method 'lisa' needs groups"),
        (None, ["discs:make", "--clp.without", "[hope]"], r"clp.without and clp.replace name"),
        (None, ["discs:make", "--device", "tpux"], r"device 'tpux' cannot be used here"),
    ],
)
def test_wrong_input_gives_one_clear_sentence_and_no_file(
    folder, capsys, spoil, arguments, message
):
    if spoil is not None:
        spoil(folder)
    assert run(*MASKS, *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("causalogit: ")
    assert re.search(message, " ".join(error.split())), error
    assert not (folder / "fix").exists()


def test_without_masks_photos_or_a_fitting_folder(folder, capsys):
    assert run("discs:make") == 1
    assert "the test photos have no masks: give a folder of them" in capsys.readouterr().err
    assert main(["fix", "discs:make"]) == 1
    assert "which photos? Give data.source" in capsys.readouterr().err
    assert run("discs:make", "--segmenter", "nope") == 1
    assert "segmenter 'nope' is not known" in capsys.readouterr().err
    assert not (folder / "fix").exists()
    assert run("discs:make", *MASKS, *PLAIN) == 0
    assert run("discs:make", *MASKS, *PLAIN, "--seed", "3") == 1
    assert "holds the fix of other options (seed)" in capsys.readouterr().err
    mask = sorted((folder / "masks" / "hot").iterdir())[0]
    Image.new("L", (24, 24), 255).save(mask)
    assert run("discs:make", *MASKS, *PLAIN) == 1
    assert "holds the fix of other photos or masks: choose" in capsys.readouterr().err
    text = (folder / "discs.py").read_text().replace("-6, 6", "-5, 5")
    (folder / "discs.py").write_text(text)
    sys.modules.pop("discs")
    assert run("discs:make", *MASKS, *PLAIN) == 1
    assert "holds the fix of another state of the classifier" in capsys.readouterr().err
