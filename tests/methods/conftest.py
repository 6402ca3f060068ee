"""A task on a few digits, cheap enough for a step of every method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from causalogit.config import DataConfig, MetaConfig, OptimizerConfig, RunConfig
from causalogit.data import Batch, Data, InMemory, Split, build_data, epoch_order
from causalogit.methods import Task
from causalogit.models import build_model
from causalogit.train.optimizer import build_optimizer


@cache
def few_digits() -> Data:
    sizes = DataConfig(meta=MetaConfig(per_class=10), validation_size=50, test_size=4000)
    return build_data(sizes, seed=0)


def train_on(task: Task, sizes: Sequence[int] | None = None, *, blind: bool = False) -> Task:
    """The task with the first `sizes[c]` training images of every class c; all of them for None.

    Where `blind`, they come without masks and groups.
    """
    train = task.data.train
    if sizes is not None:
        own = [(train.labels == c).nonzero().squeeze(1)[:size] for c, size in enumerate(sizes)]
        train = train.take(torch.cat(own))
    if blind:
        images = InMemory(train.everything().images)
        train = replace(train, images=images, groups=torch.full_like(train.groups, -1))
    return replace(task, data=replace(task.data, train=train))


def first_network_by_hand(train: Split, rates: Sequence[float]) -> nn.Module:
    """ERM of a task's second network, an epoch a rate, in eval mode."""
    network = build_model("lenet", 5, 3, seed=1_000_000)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)
    for epoch, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = rate
        for indices in epoch_order(len(train), None, 1_000_000, epoch).split(32):
            batch = train.batch(indices)
            optimizer.zero_grad()
            F.cross_entropy(network(batch.images), batch.labels).backward()
            optimizer.step()
    return network.eval()


def some(task: Task, count: int = 64) -> Batch:
    """A batch of training images, of all places in the set."""
    return task.data.train.batch(torch.arange(count) * 13 % 900)


@pytest.fixture
def make_task() -> Callable[..., Task]:
    def make(device: str = "cpu", **options: object) -> Task:
        config = replace(RunConfig(optimizer=OptimizerConfig(epochs=2)), **options)
        model = build_model("lenet", 5, 3, seed=0).to(device)
        return Task(
            config,
            few_digits(),
            model,
            build_optimizer(model, config.optimizer),
            torch.Generator().manual_seed(0),
            torch.device(device),
        )

    return make
