from __future__ import annotations

from typing import Any, get_args

import pytest
import timm
import torch
from torch import Tensor, nn

from causalogit.evaluate.attention import (
    AttentionMethod,
    attention_inside,
    attention_maps,
    suitable_method,
)

SIZE, CLASSES = 14, 3
METHODS = get_args(AttentionMethod)


class Net(nn.Module):
    """Convolutions in series, batch norm and dropout, in-place activations."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.late = nn.Conv2d(4, 5, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(5, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.drop(self.relu(self.norm(self.early(images))))
        hidden = self.relu(self.late(hidden))
        logits: Tensor = self.head(hidden.mean((2, 3)))
        return logits


class Linear(nn.Module):
    """Sees nothing but the square [2:6, 8:12]; class 0 wants it bright, the others do not care."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.zeros(CLASSES, 2, SIZE, SIZE)
        weight[0, :, 2:6, 8:12] = 1
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor) -> Tensor:
        return torch.einsum("bkhw,ckhw->bc", images, self.weight)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(5, 2, SIZE, SIZE)


@pytest.fixture
def targets() -> Tensor:
    return torch.arange(5) % CLASSES


def test_occlusion_lies_where_a_linear_model_looks() -> None:
    maps = attention_maps(
        Linear(), torch.ones(4, 2, SIZE, SIZE), torch.zeros(4, dtype=torch.long), window=2, stride=1
    )
    region = torch.zeros(4, 1, SIZE, SIZE)
    region[:, :, 1:7, 7:13] = 1  # a window reaches one pixel beyond
    torch.testing.assert_close(attention_inside(maps, region), torch.ones(4))
    assert (maps[:, 3:5, 9:11] == 1).all()


def test_occlusion_asks_for_evidence_of_the_target_only() -> None:
    bright = torch.ones(1, 2, SIZE, SIZE)
    against = attention_maps(Linear(), bright, torch.tensor([1]))
    assert (against == 0).all()
    assert attention_inside(against, torch.ones(1, 1, SIZE, SIZE)).isnan().all()


def test_occlusion_by_the_colour_that_is_there_changes_nothing() -> None:
    fill = torch.tensor([0.25, 0.75])
    plain = fill[None, :, None, None].expand(2, 2, SIZE, SIZE)
    assert (attention_maps(Linear(), plain, torch.zeros(2, dtype=torch.long), fill=fill) == 0).all()


def test_occlusion_is_the_mean_fall_of_the_centred_logit(images: Tensor, targets: Tensor) -> None:
    net = Net().eval()

    def score(batch: Tensor) -> Tensor:
        logits = net(batch).detach()
        return (logits - logits.mean(1, keepdim=True)).gather(1, targets[:, None]).squeeze(1)

    total, visits = torch.zeros(5, SIZE, SIZE), torch.zeros(SIZE, SIZE)
    for top in range(0, SIZE - 3, 2):
        for left in range(0, SIZE - 3, 2):
            hidden = images.clone()
            hidden[:, :, top : top + 4, left : left + 4] = 0.5
            total[:, top : top + 4, left : left + 4] += (score(images) - score(hidden))[
                :, None, None
            ]
            visits[top : top + 4, left : left + 4] += 1
    slow = (total / visits).clamp_min(0)
    slow = slow / slow.amax((1, 2), keepdim=True)
    maps = attention_maps(net, images, targets, window=4, stride=2)
    torch.testing.assert_close(maps, slow, atol=1e-4, rtol=1e-3)


def test_grad_cam_lies_where_the_last_convolution_sees() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)
    )
    with torch.no_grad():
        net[0].weight.fill_(1)
        net[3].weight.copy_(torch.tensor([[1.0], [-1.0]]))
    image = torch.zeros(1, 1, 8, 8)
    image[:, :, 2:4, 5:7] = 1
    maps = attention_maps(net, image, torch.tensor([0]), "grad_cam")
    torch.testing.assert_close(maps, image[:, 0])
    assert (attention_maps(net, image, torch.tensor([1]), "grad_cam") == 0).all()


def test_grad_cam_passes_over_convolutions_on_one_place() -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Flatten(),
        nn.Linear(4, CLASSES),
    )  # fmt: skip
    maps = attention_maps(net, torch.rand(2, 2, 8, 8), torch.tensor([0, 1]), "grad_cam")
    assert maps.shape == (2, 8, 8)


def test_grad_cam_needs_a_convolution(images: Tensor, targets: Tensor) -> None:
    with pytest.raises(ValueError, match="use 'occlusion'"):
        attention_maps(Linear(), images, targets, "grad_cam")


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("resnet18", "grad_cam"),
        ("efficientnet_b0", "grad_cam"),
        ("convnext_atto", "grad_cam"),
        ("vit_tiny_patch16_224", "occlusion"),
        ("swin_tiny_patch4_window7_224", "occlusion"),
    ],
)
def test_grad_cam_is_for_networks_that_end_in_convolutions(
    name: str, method: AttentionMethod
) -> None:
    """The one convolution of a vision transformer makes its patches."""
    net = timm.create_model(name, num_classes=3)
    images = torch.rand(1, 3, 224, 224)
    assert suitable_method(net, images) == method
    assert suitable_method(net, images, least_cells=100) == "occlusion"
    if method == "occlusion":
        with pytest.raises(ValueError, match="deep in the network: use 'occlusion'"):
            attention_maps(net, images, torch.tensor([1]), "grad_cam")


def test_an_unknown_method_is_refused(images: Tensor, targets: Tensor) -> None:
    unknown: Any = "magic"
    with pytest.raises(ValueError, match="'magic'"):
        attention_maps(Net(), images, targets, unknown)


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_between_0_and_1(method: AttentionMethod, images: Tensor, targets: Tensor) -> None:
    maps = attention_maps(Net(), images, targets, method)
    largest = maps.amax((1, 2))
    assert maps.shape == (5, SIZE, SIZE)
    assert (maps >= 0).all()
    assert ((largest == 1) | (largest == 0)).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_left_as_it_was(
    method: AttentionMethod, images: Tensor, targets: Tensor
) -> None:
    net = Net().train()
    net.norm.eval()
    for parameter in net.parameters():
        parameter.grad = torch.full_like(parameter, 7)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        attention_maps(net, images, targets, method)
    assert net.training
    assert net.drop.training
    assert not net.norm.training
    assert all((parameter.grad == 7).all() for parameter in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not images.requires_grad
    for module in net.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks


@pytest.mark.parametrize("method", METHODS)
def test_frozen_weights_and_many_images(method: AttentionMethod) -> None:
    net = Net().requires_grad_(False)
    images = torch.rand(70, 2, SIZE, SIZE)
    targets = torch.arange(70) % CLASSES
    maps = attention_maps(net, images, targets, method)
    alone = attention_maps(net, images[66:68], targets[66:68], method)
    torch.testing.assert_close(maps[66:68], alone, atol=1e-4, rtol=1e-3)


def test_the_share_inside_against_a_loop() -> None:
    maps, masks = torch.rand(3, 4, 5), (torch.rand(3, 1, 4, 5) > 0.5).float()
    expected = []
    for index in range(3):
        inside = outside = 0.0
        for row in range(4):
            for column in range(5):
                value = maps[index, row, column].item()
                if masks[index, 0, row, column]:
                    inside += value
                else:
                    outside += value
        expected.append(inside / (inside + outside))
    torch.testing.assert_close(attention_inside(maps, masks), torch.tensor(expected))
