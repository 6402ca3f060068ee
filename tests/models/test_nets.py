"""Our own networks: their size, their weights, what they do with an image."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, jvp
from torch.nn import functional as F

from causalogit.core import Classifier
from causalogit.models import MODELS, CifarResNet, LeNet, MaskNet, WideResNet, build_model

QUICK = [name for name in MODELS if name != "wrn28_10"]


def weights_of(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("side", [28, 32])
@pytest.mark.parametrize("name", QUICK)
def test_images_of_28_and_32_pixels_become_logits_that_reach_every_weight(name, side):
    model = build_model(name, 5, 3, seed=0)
    logits, features = Classifier(model, 5)(torch.rand(4, 3, side, side))
    assert logits.shape == (4, 5)
    assert features.shape[0] == 4
    F.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("name", QUICK)
def test_forward_mode_agrees_with_reverse_mode(name):
    """For any u and v, u (J v) of the one is (u J) v of the other; batch norm in train mode."""
    model = build_model(name, 3, 1, seed=0).double()
    images = torch.rand(4, 1, 32, 32, dtype=torch.float64)
    weights = {n: p.detach().clone().requires_grad_() for n, p in model.named_parameters()}
    direction = {n: torch.randn_like(p) for n, p in weights.items()}

    def logits(at):
        buffers = {n: b.clone() for n, b in model.named_buffers()}
        return functional_call(model, (at, buffers), (images,))

    _, tangent = jvp(logits, (weights,), (direction,))
    outputs = logits(weights)
    weighing = torch.randn_like(outputs)
    gradients = torch.autograd.grad((outputs * weighing).sum(), list(weights.values()))
    pairs = zip(gradients, direction.values(), strict=True)
    expected = sum((gradient * v).sum() for gradient, v in pairs)
    torch.testing.assert_close((tangent * weighing).sum(), expected, rtol=1e-9, atol=0)


def test_lenet_is_unchanged_for_28_pixels():
    """The 4 x 4 features go on bit for bit, and so do the gradients."""
    model = LeNet(5)
    images = torch.rand(8, 3, 28, 28)

    def gradients(forward):
        model.zero_grad()
        F.cross_entropy(forward(images), torch.arange(8) % 5).backward()
        return [p.grad.clone() for p in model.parameters()]

    def plain(images):
        return model.classifier(model.features(images))

    assert torch.equal(model(images), plain(images))
    assert all(map(torch.equal, gradients(model), gradients(plain)))


@pytest.mark.parametrize(
    ("depth", "millions"),
    [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)],  # arXiv 1512.03385, Table 6
)
def test_cifar_resnets_have_the_papers_size(depth, millions):
    model = CifarResNet(depth, 10)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth
    assert weights_of(model) / 1e6 == pytest.approx(millions, rel=0.03)


def test_resnet32_keeps_its_names_and_its_first_weights():
    state = build_model("resnet32", 10, 3, seed=0).state_dict()
    blocks = [f"stages.{i}." for i in range(15)]
    own = {name for name in state if not name.startswith(tuple(blocks))}
    statistics = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert own == {"stem.weight", "head.weight", "head.bias", *(f"bn.{s}" for s in statistics)}
    assert len(state) == len(own) + 15 * 12
    for name, total in {"stem": 96.7141, "stages.14.conv2": 1728.2414, "head": 90.2173}.items():
        assert state[f"{name}.weight"].double().abs().sum().item() == pytest.approx(total, abs=0.01)


@pytest.mark.parametrize(
    ("depth", "width", "millions"),
    [(16, 8, 11.0), (22, 8, 17.2), (28, 10, 36.5), (40, 1, 0.6)],  # arXiv 1605.07146, Table 4
)
def test_wide_resnets_have_the_papers_size(depth, width, millions):
    with torch.device("meta"):
        model = WideResNet(depth, width, 10)
    assert weights_of(model) / 1e6 == pytest.approx(millions, abs=0.06)


def test_wide_resnet_of_one_image_step_by_step():
    """Batch norm and ReLU first; a shortcut with weights sees the activated input."""
    model = build_model("wrn16_1", 5, 3, seed=0).eval()
    x = images = torch.rand(2, 3, 32, 32)
    x = model.stem(x)
    shapes = []
    for stage in range(3):
        for number in range(2):
            block = model.stages[2 * stage + number]
            active = F.relu(block.bn1(x))
            out = block.conv2(F.relu(block.bn2(block.conv1(active))))
            widens = stage > 0 and number == 0  # width 1: the first stage keeps 16 channels
            assert (block.shortcut is not None) == widens
            x = out + (block.shortcut(active) if widens else x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    logits = model.head(F.relu(model.bn(x)).mean((2, 3)))
    torch.testing.assert_close(model(images), logits)


@pytest.mark.parametrize("depth", [2, 18, 21])
def test_no_such_depth(depth):
    with pytest.raises(ValueError, match=f"has 6 n . 2 layers, not {depth}"):
        CifarResNet(depth, 10)
    with pytest.raises(ValueError, match=f"has 6 n . 4 layers, not {depth}"):
        WideResNet(depth, 2, 10)
    with pytest.raises(ValueError, match="of width 0"):
        WideResNet(16, 0, 10)


@pytest.mark.parametrize(
    ("size", "seen"), [((28, 28), (28, 28)), ((49, 98), (48, 96)), ((224, 160), (67, 48))]
)
def test_large_images_are_looked_at_from_further_away_for_their_masks(size, seen):
    net, looked_at = MaskNet(3), []
    net.down[0].register_forward_pre_hook(lambda _, given: looked_at.append(given[0].shape[2:]))
    images = torch.rand(2, 3, *size)
    logits = net(images)
    assert logits.shape == (2, 1, *size)
    assert looked_at == [seen]
    logits.mean().backward()
    assert all(p.grad is not None for p in net.parameters())
