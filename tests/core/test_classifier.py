"""Any module seen as features and a last linear layer."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn

from causalogit.core import Classifier
from causalogit.core.classifier import find_head
from causalogit.models import CifarResNet, LeNet

from .nets import batch, random_state, small_net


def tied() -> nn.Module:
    """Two linear layers of C outputs: the last one is the head."""
    return nn.Sequential(nn.Flatten(), nn.Linear(50, 3), nn.ReLU(), nn.Linear(3, 3))


@pytest.mark.parametrize(
    ("model", "num_classes", "name"),
    [
        (small_net(), 3, "7"),
        (LeNet(84), 84, "classifier.5"),
        (CifarResNet(32, 10), 10, "head"),
        (tied(), 3, "3"),
        (nn.Linear(4, 3), 3, ""),
        (timm.create_model("resnet18", num_classes=5), 5, "fc"),
        (timm.create_model("vit_tiny_patch16_224", num_classes=5, depth=1), 5, "head"),
    ],
    ids=["small", "lenet", "resnet32", "tied", "linear", "timm resnet", "timm vit"],
)
def test_the_head_is_found(model: nn.Module, num_classes: int, name: str) -> None:
    found, head = find_head(model, num_classes)
    assert found == name
    assert head is dict(model.named_modules())[name]
    assert head.out_features == num_classes


def test_a_model_without_such_a_head_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no nn.Linear with 4 outputs \(found \[3, 6\]\)"):
        Classifier(small_net(), 4)


def test_features_times_the_head_are_the_logits() -> None:
    model = small_net()
    logits, features = Classifier(model, 3)(batch(4)[0])
    assert features.shape == (4, 6)
    torch.testing.assert_close(logits, model[-1](features), rtol=0, atol=0)


class _Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(50, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(1)) + self.head(images.flatten(1))


class _PerToken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(25, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(2)).mean(1)


@pytest.mark.parametrize(
    ("kind", "message"),
    [(_Twice, "'head' was called 2 times"), (_PerToken, r"features of shape \[\(4, 2, 25\)\]")],
)
def test_a_head_in_unusual_use_is_refused(kind: Callable[[], nn.Module], message: str) -> None:
    model = kind()
    with pytest.raises(ValueError, match=message):
        Classifier(model, 3)(batch(4)[0])
    assert not model.head._forward_pre_hooks


def test_the_hook_goes_even_when_the_model_fails() -> None:
    model = small_net()
    with pytest.raises(RuntimeError):
        Classifier(model, 3)(torch.randn(4, 2, 9, 9))
    assert not any(m._forward_pre_hooks for m in model.modules())


def test_only_what_is_trainable_counts() -> None:
    model = small_net()
    model[0].requires_grad_(False)
    model[-1].bias.requires_grad_(False)
    classifier = Classifier(model, 3)
    assert set(classifier.parameters()) == {"1.weight", "1.bias", "4.weight", "4.bias", "7.weight"}
    assert set(classifier.head_parameters()) == {"7.weight"}


def test_probe_is_the_model_at_other_weights_and_leaves_it_alone() -> None:
    model, images = small_net(), batch(4)[0]
    other = small_net()
    before = copy.deepcopy(model.state_dict())
    classifier = Classifier(model, 3)
    restore = classifier.random_state()
    probed = classifier.probe(dict(other.named_parameters()), images)
    restore()
    torch.testing.assert_close(probed, other(images), rtol=0, atol=0)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_random_state_is_kept_and_begins_where_told() -> None:
    classifier = Classifier(small_net(), 3)
    start = classifier.random_state()
    first = torch.rand(3)
    after = random_state()
    with classifier.random_state_kept():
        assert not torch.equal(torch.rand(3), first)
    assert torch.equal(random_state(), after)
    with classifier.random_state_kept(start):
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(random_state(), after)
    with pytest.raises(RuntimeError), classifier.random_state_kept(start):
        torch.rand(-1)
    assert torch.equal(random_state(), after)


def test_buffers_come_back() -> None:
    model = small_net()
    before = copy.deepcopy(model.state_dict())
    classifier = Classifier(model, 3)
    remembered = classifier.buffer_state()
    model(batch(4)[0])
    assert model[1].num_batches_tracked == 1
    classifier.set_buffers(remembered)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_pieces_count_for_running_statistics_once() -> None:
    whole, parts = small_net(dropout=0.0), small_net(dropout=0.0)
    parts.load_state_dict(whole.state_dict())
    images, _ = batch(8)
    logits, _ = Classifier(parts, 3, pieces=2)(images)
    for _ in range(2):  # a graph that is kept is gone through twice
        torch.autograd.grad(logits.sum(), list(parts.parameters()), retain_graph=True)
    for part in images.chunk(2):
        whole(part)
    torch.testing.assert_close(parts[1].running_mean, whole[1].running_mean)
    assert parts[1].num_batches_tracked == 2


def test_pieces_drop_the_same_units_again() -> None:
    model = small_net(dropout=0.5)
    images, _ = batch(8)
    classifier = Classifier(model, 3, pieces=2)
    restore = classifier.random_state()
    logits, _ = classifier(images)
    with classifier.random_state_kept(start=restore):
        again = classifier.probe({}, images, in_pieces=True)
    torch.testing.assert_close(again, logits)


@pytest.mark.parametrize(("size", "sizes"), [(5, [3, 2]), (10, [3, 3, 2, 2]), (1, [1])])
def test_no_piece_has_a_single_image(size: int, sizes: list[int]) -> None:
    seen = []
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(50), nn.Linear(50, 3)).train(size > 1)
    model[0].register_forward_hook(lambda _, args, output: seen.append(len(output)))
    classifier = Classifier(model, 3, pieces=4)
    images = batch(size)[0]
    assert classifier(images)[0].shape == (size, 3)
    assert seen == sizes
    assert classifier.probe({}, images, in_pieces=True).shape == (size, 3)
    assert seen == 2 * sizes


def test_no_piece_is_refused() -> None:
    with pytest.raises(ValueError, match="pieces is 0"):
        Classifier(small_net(), 3, pieces=0)
