"""A second network of the classifier's kind, and its optimizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from causalogit.methods.base import Task
from causalogit.models import build_model


def second_network(task: Task) -> nn.Module:
    """A fresh network of the classifier's kind on its device, with initial weights of its own."""
    config = task.config
    channels = task.data.train.batch(torch.arange(1)).images.shape[1]
    network = build_model(config.model, task.data.num_classes, channels, config.seed + 1_000_000)
    return network.to(task.device)


def optimizer_like(optimizer: Optimizer, model: nn.Module, twin: nn.Module) -> Optimizer:
    """An optimizer for `twin` as `optimizer` is for `model`, from where its schedule begins.

    Args:
        optimizer: of `model`, or of a larger model that `model` is a part of.
        model: the module whose settings are copied, parameter by parameter.
        twin: a module with the same names of parameters.
    """
    names = {parameter: name for name, parameter in model.named_parameters()}
    own = dict(twin.named_parameters())
    groups = []
    for group in optimizer.param_groups:
        parameters = [own[names[p]] for p in group["params"] if p in names]
        if parameters:
            rate = group.get("initial_lr", group["lr"])
            groups.append({**group, "params": parameters, "lr": rate})
    kind: Any = type(optimizer)  # every setting is in the groups
    twin_optimizer: Optimizer = kind(groups)
    return twin_optimizer
