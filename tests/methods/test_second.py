"""A twin's optimizer has every setting of the original's, and none of its state."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR

from causalogit.config import OptimizerConfig
from causalogit.methods.second import optimizer_like, second_network
from causalogit.train.optimizer import build_optimizer


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_twin_moves_as_the_original_would_from_the_start(name):
    config = OptimizerConfig(
        name=name, learning_rate=0.03, momentum=0.7, nesterov=name == "sgd", weight_decay=0.2
    )
    images, labels = torch.randn(6, 4), torch.arange(6) % 3
    model, twin, expected = (nn.Linear(4, 3) for _ in range(3))
    expected.load_state_dict(twin.state_dict())
    used = build_optimizer(model, config)
    schedule = CosineAnnealingLR(used, 2)
    for _ in range(2):
        F.cross_entropy(model(images), labels).backward()
        used.step()
        schedule.step()
    assert used.param_groups[0]["lr"] == 0
    optimizers = [optimizer_like(used, model, twin), build_optimizer(expected, config)]
    for module, optimizer in zip((twin, expected), optimizers, strict=True):
        assert type(optimizer) is type(used)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(module(images), labels).backward()
            optimizer.step()
    assert torch.equal(twin.weight, expected.weight)
    assert torch.equal(twin.bias, expected.bias)


def test_groups_of_parameters_stay_apart_and_parts_are_found():
    model, twin = (nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3)) for _ in range(2))
    groups = [{"params": [model[0].weight, model[1].weight], "weight_decay": 0.1}]
    groups += [{"params": [model[0].bias]}, {"params": [model[1].bias], "lr": 0.5}]
    optimizer = SGD(groups, 0.01, weight_decay=0.0)
    whole = optimizer_like(optimizer, model, twin).param_groups
    assert [len(group["params"]) for group in whole] == [2, 1, 1]
    assert whole[0]["params"][1] is twin[1].weight
    part = optimizer_like(optimizer, model[1], twin[1]).param_groups
    assert [group["params"][0] for group in part] == [twin[1].weight, twin[1].bias]
    assert [(group["lr"], group["weight_decay"]) for group in part] == [(0.01, 0.1), (0.5, 0.0)]


def test_second_network_has_weights_of_its_own_and_repeats_itself(make_task):
    first, again = (second_network(make_task()) for _ in range(2))
    own = make_task().model.state_dict()
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
        assert value.shape == own[name].shape
    assert not torch.equal(first.classifier[5].weight, own["classifier.5.weight"])
