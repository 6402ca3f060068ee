"""A task on a few digits, cheap enough for a step of every method."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from causalogit.config import DataConfig, RunConfig
from causalogit.data import Batch, Data, Split, build_data
from causalogit.methods import Task
from causalogit.models import build_model
from causalogit.train.optimizer import build_optimizer


@cache
def few_digits() -> Data:
    sizes = DataConfig(meta_size=50, validation_size=50, test_size=4000)
    return build_data(sizes, seed=0)


class Part:
    """Some samples of a split, with what a method may ask of a split; without masks and groups
    where `blind`."""

    def __init__(self, split: Split, indices: Tensor, *, blind: bool = False) -> None:
        self.split, self.indices, self.blind = split, indices, blind
        self.labels = split.labels[indices]
        if not blind:
            self.groups = split.groups[indices]

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: Tensor) -> Batch:
        batch = self.split.batch(self.indices[indices])._replace(indices=indices)
        if self.blind:
            return batch._replace(masks=None, groups=torch.full_like(batch.groups, -1))
        return batch


def train_on(task: Task, sizes: Sequence[int] | None = None, *, blind: bool = False) -> Task:
    """The task with the first `sizes[c]` training images of every class c; all of them for None."""
    train = task.data.train
    indices = torch.arange(len(train))
    if sizes is not None:
        own = [(train.labels == c).nonzero().squeeze(1)[:size] for c, size in enumerate(sizes)]
        indices = torch.cat(own)
    data = copy.copy(task.data)
    object.__setattr__(data, "train", Part(train, indices, blind=blind))
    return replace(task, data=data)


@pytest.fixture
def make_task() -> Callable[..., Task]:
    def make(**options: object) -> Task:
        config = replace(RunConfig(), **options)
        model = build_model("lenet", 5, 3, seed=0)
        return Task(
            config,
            few_digits(),
            model,
            build_optimizer(model, config.optimizer),
            torch.Generator().manual_seed(0),
            torch.device("cpu"),
        )

    return make
