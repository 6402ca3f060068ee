"""A second network of the classifier's kind, and its optimizer."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from causalogit.data import epoch_batches
from causalogit.methods.base import Task
from causalogit.models import build_model, seeded


def second_network(task: Task, number: int = 0) -> nn.Module:
    """A network of the classifier's kind on its device, with initial weights of its own.

    There can be several, with different weights, by their `number`. Where the classifier begins
    with given weights, so does this one: only its last layer differs.
    """
    config, data = task.config, task.data
    seed = config.seed + 1_000_000 * (1 + number)
    network = build_model(
        config.model,
        data.num_classes,
        data.channels,
        seed,
        config.weights,
        mean=config.mean,
        std=config.std,
    )
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


def first_network(task: Task, epochs: int, *, to_zero: bool = False) -> nn.Module:
    """A second network after ERM of its own on the training images, from the config's seed.

    Its optimizer is the classifier's at its first rate, or with that on one cosine to 0.
    """
    config, seed = task.config, task.config.seed + 1_000_000
    network = second_network(task)
    optimizer = optimizer_like(task.optimizer, task.model, network)
    schedule = CosineAnnealingLR(optimizer, epochs) if to_zero else None
    with seeded(config.seed):  # for a network that drops units
        for epoch in range(epochs):
            for batch in epoch_batches(task.data.train, config.optimizer.batch_size, seed, epoch):
                own = batch.to(task.device)
                optimizer.zero_grad()
                F.cross_entropy(network(own.images), own.labels).backward()
                optimizer.step()
            if schedule is not None:
                schedule.step()
    return network
