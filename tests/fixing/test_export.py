"""What is written loads strictly into the user's own model, and answers as it was trained to."""

from __future__ import annotations

import json

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import get_model

from causalogit.auditing import ModelConfig
from causalogit.config import RunConfig, config_to_dict
from causalogit.fixing.export import user_state, write_model, write_onnx, write_weights
from causalogit.fixing.start import align, read_start
from causalogit.models import Normalized, build_model
from causalogit.train.checkpoint import save_checkpoint

TIMM = "test_resnet"
VISION = "torchvision:mobilenet_v3_small"
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


def start_of(path, name, classes, photos, **options):
    return align(
        read_start(str(path), ModelConfig(architecture=name, **options), own_data=False),
        classes,
        photos,
    )


@pytest.fixture
def photos():
    return torch.rand(4, 3, 64, 64)


@pytest.mark.parametrize(
    ("name", "make", "options"),
    [
        (TIMM, lambda: timm.create_model(TIMM, num_classes=3), {}),
        (TIMM, lambda: timm.create_model(TIMM, num_classes=3), {"mean": MEAN, "std": STD}),
        (VISION, lambda: get_model("mobilenet_v3_small", weights=None, num_classes=3), {}),
    ],
)
def test_from_a_file_through_training_s_model_and_back(
    tmp_path, photos, monkeypatch, name, make, options
):
    home = make().eval()
    save_file(home.state_dict(), tmp_path / "home.safetensors")
    classes = ("a", "b", "c")
    outputs = ("c", "a", "b")  # the user's order is not the photos'
    aligned = start_of(
        tmp_path / "home.safetensors", name, classes, photos, outputs=outputs, **options
    )
    begin = tmp_path / "start.safetensors"
    write_weights(begin, user_state(aligned.start.whole, 3))
    mean, std = aligned.start.normalisation(3)
    training = build_model(name, 3, 3, 0, str(begin), mean=mean, std=std).eval()
    # training begins with the user's own answers, in the photos' order
    own = home((photos - training.mean) / training.std)
    torch.testing.assert_close(training(photos), own[:, [1, 2, 0]])
    with torch.no_grad():
        for parameter in training.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    card = write_model(tmp_path, training, name, classes, aligned.order, photos)
    card = write_onnx(tmp_path, training, card, photos)
    assert card["classes"] == list(outputs)
    again = make().eval()
    again.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)
    expected = training(photos)[:, [2, 0, 1]]
    told = [torch.tensor(card["input"][key])[:, None, None] for key in ("mean", "std")]
    torch.testing.assert_close(again((photos - told[0]) / told[1]), expected)
    assert json.loads((tmp_path / "model.json").read_text()) == card
    names: dict[str, object] = {}
    exec(
        "\n".join(card["load"]).replace("model.safetensors", str(tmp_path / "model.safetensors")),
        names,
    )
    torch.testing.assert_close(names["model"](photos), again(photos))
    import onnxruntime

    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    answers = torch.from_numpy(session.run(None, {"photos": photos[:3].numpy()})[0])
    torch.testing.assert_close(answers, expected[:3], atol=1e-4, rtol=1e-4)


def test_outputs_that_no_photo_is_of_are_left_out(tmp_path, photos):
    home = timm.create_model(TIMM, num_classes=5).eval()
    save_file(home.state_dict(), tmp_path / "home.safetensors")
    outputs = ("e", "d", "c", "b", "a")
    aligned = start_of(tmp_path / "home.safetensors", TIMM, ("b", "d"), photos, outputs=outputs)
    assert aligned.left_out == 3
    whole = Normalized(home, *aligned.start.normalisation(3))
    torch.testing.assert_close(aligned.start.whole(photos), whole(photos)[:, [3, 1]])
    card = write_model(tmp_path, aligned.start.whole, TIMM, ("b", "d"), aligned.order, photos)
    assert card["classes"] == ["b", "d"]
    two = timm.create_model(TIMM, num_classes=2).eval()
    two.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=True)


def test_a_model_of_ours_that_no_mean_was_taken_from_stays_so(tmp_path, photos):
    home = build_model("cnn", 3, 3, seed=1).eval()
    save_file(
        {n: v.contiguous() for n, v in home.state_dict().items()}, tmp_path / "home.safetensors"
    )
    aligned = start_of(tmp_path / "home.safetensors", "cnn", ("a", "b", "c"), photos)
    assert aligned.start.normalisation(3) == ((), ())
    card = write_model(tmp_path, home, "cnn", ("a", "b", "c"), aligned.order, photos)
    assert card["input"]["mean"] is None


@pytest.mark.parametrize(
    ("given", "outputs"), [((), ("dog", "cat")), (("cat", "dog"), ("cat", "dog"))]
)
def test_a_checkpoint_of_ours_is_aligned_by_the_names_of_its_classes(
    tmp_path, photos, given, outputs
):
    home = build_model("cnn", 2, 3, seed=1).eval()
    run = RunConfig(method="erm", model="cnn")
    save_checkpoint(
        tmp_path / "last.ckpt",
        {
            "config": config_to_dict(run),
            "class_names": ["dog", "cat"],
            "model": home.state_dict(),
            "epoch": 1,
        },
    )
    start = read_start(str(tmp_path / "last.ckpt"), ModelConfig(outputs=given), own_data=False)
    aligned = align(start, ("cat", "dog"), photos)
    places = [outputs.index(name) for name in ("cat", "dog")]
    torch.testing.assert_close(aligned.start.whole(photos), home(photos)[:, places])


def test_weights_that_answer_otherwise_are_not_passed_off(tmp_path, photos, monkeypatch):
    home = build_model("cnn", 3, 3, seed=1).eval()
    other = build_model("cnn", 3, 3, seed=2).state_dict()
    monkeypatch.setattr("causalogit.fixing.export.load_file", lambda _: other)
    with pytest.raises(ValueError, match="does not answer like the trained model"):
        write_model(tmp_path, home, "cnn", ("a", "b", "c"), torch.arange(3), photos)
