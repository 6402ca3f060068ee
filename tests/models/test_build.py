"""A model by its name, with fresh weights or with given ones."""

from __future__ import annotations

import copy

import huggingface_hub.constants
import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from causalogit.core import Classifier
from causalogit.core.classifier import find_head
from causalogit.models import MODELS, Normalized, build_model
from causalogit.models.elsewhere import IMAGENET


def same(first, second):
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", ["cnn", "test_resnet"])
def test_fresh_weights_depend_on_the_seed_alone(name):
    before = torch.get_rng_state()
    first = build_model(name, 5, 3, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(9)
    assert same(build_model(name, 5, 3, seed=0), first)
    assert not same(build_model(name, 5, 3, seed=1), first)


def test_fresh_timm_model_is_timms_own():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        theirs = timm.create_model("test_resnet", num_classes=5, in_chans=1)
    ours = build_model("test_resnet", 5, 1, seed=3)
    assert type(ours) is type(theirs)
    assert same(ours, theirs)


@pytest.mark.parametrize("name", ["cnn", "test_resnet"])
def test_convolutions_compute_channels_last_and_the_same(name):
    images = torch.rand(2, 3, 32, 32)
    last = build_model(name, 5, 3, seed=0).eval()
    first = copy.deepcopy(last).to(memory_format=torch.contiguous_format)
    seen = []
    for model in (first, last):
        conv = next(m for m in model.modules() if isinstance(m, torch.nn.Conv2d))
        conv.register_forward_hook(lambda *args: seen.append(args[-1]))
    torch.testing.assert_close(first(images), last(images))
    assert seen[0].is_contiguous()
    assert seen[1].is_contiguous(memory_format=torch.channels_last)


def test_unknown_name_gives_the_known_ones():
    with pytest.raises(ValueError, match="model 'resnet9' is not known: choose lenet, ") as told:
        build_model("resnet9", 5, 3, seed=0)
    assert all(f" {name}" in str(told.value) for name in MODELS)
    assert "or a model of timm" in str(told.value)


@pytest.fixture
def backbone(tmp_path):
    """A file of a timm model of 7 classes, and that model in eval mode."""
    model = timm.create_model("test_resnet", num_classes=7).eval()
    path = tmp_path / "backbone.safetensors"
    save_file(model.state_dict(), path)
    return str(path), model


def test_weights_of_a_file_and_a_fresh_head(backbone):
    path, theirs = backbone
    ours = build_model("test_resnet", 5, 3, 0, path).eval()
    images = torch.rand(4, 3, 32, 32)
    _, features = Classifier(ours, 5)(images)
    mean, std = (torch.tensor(theirs.pretrained_cfg[k])[:, None, None] for k in ("mean", "std"))
    _, expected = Classifier(theirs, 7)((images - mean) / std)
    torch.testing.assert_close(features, expected)
    again = build_model("test_resnet", 5, 3, 0, path)
    assert torch.equal(ours.model.fc.weight, again.model.fc.weight)
    other = build_model("test_resnet", 5, 3, 1, path)
    assert torch.equal(other.model.conv1[0].weight, ours.model.conv1[0].weight)
    assert not torch.equal(other.model.fc.weight, ours.model.fc.weight)


def test_head_of_the_same_shape_comes_from_the_file(backbone):
    path, theirs = backbone
    assert same(build_model("test_resnet", 7, 3, 0, path).model, theirs)


def test_unread_weights_need_no_file_and_leave_room_for_a_checkpoint(backbone):
    path, _ = backbone
    trained = build_model("test_resnet", 5, 3, 0, path)
    for weights in ("gone.safetensors", "pretrained"):
        empty = build_model("test_resnet", 5, 3, 1, weights, state=trained.state_dict())
        empty.load_state_dict(trained.state_dict())
        assert same(empty, trained)


def test_our_models_take_files_and_images_as_they_are(tmp_path):
    first = build_model("resnet8", 4, 3, seed=5)
    torch.save(first.state_dict(), tmp_path / "first.pth")
    again = build_model("resnet8", 4, 3, 0, str(tmp_path / "first.pth"))
    assert type(again) is type(first)
    assert same(again, first)


def test_download_without_network_names_the_other_way(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match="weights of 'test_resnet' cannot be downloaded") as told:
        build_model("test_resnet", 5, 3, 0, "pretrained")
    assert "give a file of them as weights, such as weights=" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["efficientnet_lite4", "lenet"])
def test_models_without_weights_to_download_are_refused(name):
    with pytest.raises(ValueError, match=rf"'{name}'.* give a file"):
        build_model(name, 5, 3, 0, "pretrained")


def test_weights_for_colour_are_refused_for_grey_images(backbone):
    with pytest.raises(ValueError, match="for images of 3 channels, not 1: leave weights out that"):
        build_model("test_resnet", 5, 1, 0, backbone[0])


def test_normalized_is_found_copied_and_cast_like_any_model(backbone):
    model = build_model("test_resnet", 5, 3, 0, backbone[0]).eval()
    images = torch.rand(2, 3, 32, 32)
    assert isinstance(model, Normalized)
    assert Classifier(model, 5).head is model.model.fc
    assert Classifier(model, 5).head_name == "model.fc"
    assert torch.equal(copy.deepcopy(model)(images), model(images))
    double = copy.deepcopy(model).double()(images.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), model(images), rtol=1e-4, atol=1e-5)
    exported = torch.export.export(model, (images,)).module()
    torch.testing.assert_close(exported(images), model(images))


def test_a_fresh_head_on_given_weights_begins_calm(tmp_path):
    """Features of real weights are not zero: a wild head would undo them in its first steps."""
    torch.manual_seed(0)
    features = torch.rand(64, 1280)
    model = build_model("tf_efficientnet_lite0", 2, 3, seed=0)
    file = tmp_path / "weights.pth"
    backbone = {n: v for n, v in model.state_dict().items() if not n.startswith("classifier")}
    torch.save(backbone, file)
    wild = model.get_classifier()(features)
    heads = [
        build_model("tf_efficientnet_lite0", 2, 3, seed, str(file)).get_classifier()
        for seed in (0, 0, 1)
    ]
    assert wild.abs().mean() > 3
    assert heads[0](features).abs().mean() < 1
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert not torch.equal(heads[0].weight, heads[2].weight)


def test_a_model_of_torchvision_with_weights_is_normalised_as_all_of_them_are(tmp_path):
    home = get_model("mobilenet_v3_small", weights=None, num_classes=3).eval()
    torch.save(home.state_dict(), tmp_path / "home.pth")
    name = "torchvision:mobilenet_v3_small"
    photos = torch.rand(2, 3, 32, 32)
    mean, std = (torch.tensor(values)[:, None, None] for values in IMAGENET)
    ours = build_model(name, 3, 3, 0, str(tmp_path / "home.pth")).eval()
    assert torch.allclose(ours(photos), home((photos - mean) / std), atol=1e-5)
    with pytest.raises(ValueError, match="'torchvision:nope' is not known to torchvision"):
        build_model("torchvision:nope", 3, 3, 0)
    with pytest.raises(ValueError, match="has no weights to download"):
        build_model(name, 3, 3, 0, "pretrained")


def test_a_function_s_own_model_and_a_mean_and_std_as_given(tmp_path, monkeypatch):
    (tmp_path / "own_net.py").write_text(
        "import torch\n"
        "def make():\n"
        "    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),"
        " torch.nn.Linear(3, 2))\n"
    )
    monkeypatch.chdir(tmp_path)
    photos = torch.rand(2, 3, 8, 8)
    plain = build_model("own_net:make", 2, 3, seed=1)
    whole = build_model("own_net:make", 2, 3, seed=1, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1))
    given = (photos - torch.tensor([0.5, 0.4, 0.3])[:, None, None]) / torch.tensor([0.2, 0.2, 0.1])[
        :, None, None
    ]
    assert torch.allclose(whole(photos), plain(given))
    assert find_head(plain, None)[0] == "2"


@pytest.mark.parametrize(
    ("name", "mean", "std"), [("test_resnet", (), ()), ("cnn", (0.2, 0.3, 0.4), (0.3, 0.3, 0.2))]
)
def test_a_runs_checkpoint_keeps_its_own_normalisation(name, mean, std, tmp_path):
    home = build_model(name, 5, 3, seed=1, mean=mean, std=std).eval()
    file = tmp_path / "last.ckpt"
    torch.save({"config": {}, "model": home.state_dict()}, file)
    images = torch.rand(4, 3, 32, 32)
    again = build_model(name, 5, 3, 0, str(file)).eval()
    assert torch.equal(again(images), home(images))
    loaded = build_model(name, 5, 3, 0, str(file), state=again.state_dict()).eval()
    loaded.load_state_dict(again.state_dict())
    assert torch.equal(loaded(images), home(images))
    chosen = build_model(name, 5, 3, 0, str(file), mean=(0.5,) * 3, std=(0.5,) * 3)
    assert chosen.mean.flatten().tolist() == [0.5] * 3


def test_broken_weights_are_refused(tmp_path):
    state = build_model("cnn", 5, 3, seed=1).state_dict()
    name = next(iter(state))
    state[name] = torch.full_like(state[name], torch.nan)
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=rf"values that are not finite \({name}\)"):
        build_model("cnn", 5, 3, 0, str(tmp_path / "a.pth"))


def leaves():
    raise SystemExit(0)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("os:abort", "os:abort is a function of Python's own"),
        ("json.tool:main", "json.tool:main is a function of Python's own"),
        ("tests.models.test_build:leaves", "leaves raises SystemExit"),
        ("tests.models.test_build:nobody", "nobody cannot be imported"),
    ],
)
def test_a_function_that_builds_nothing_is_refused(place, message):
    """A checkpoint from elsewhere may name any."""
    with pytest.raises(ValueError, match=message):
        build_model(place, 5, 3, seed=0)
