"""A run in several processes, as torchrun starts them: who writes, and who looks at what."""

from __future__ import annotations

import os
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from causalogit.config import RunConfig
from causalogit.core import processes
from causalogit.data import Part, Split
from causalogit.evaluate.metrics import predict
from causalogit.methods import find_method

_T = TypeVar("_T")


def started_together() -> int:
    """How many processes torchrun, or whoever sets its variables, has started; 1 for none."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one that writes and talks; also before they have met."""
    return int(os.environ.get("RANK", "0")) == 0 or started_together() == 1


def part_of(config: RunConfig) -> Part:
    """What this process has of every batch.

    Raises:
        ValueError: the method takes batches whole, or processes cannot share them equally.
    """
    part = Part(processes.rank(), processes.count())
    if not find_method(config.method).parallel and max(part.count, config.optimizer.pieces) > 1:
        raise ValueError(
            f"method '{config.method}' looks at whole batches: set optimizer.pieces to 1, and "
            "start it without torchrun"
        )
    for name, size in (
        ("optimizer.batch_size", config.optimizer.batch_size),
        ("clp.meta_batch_size", config.clp.meta_batch_size),
    ):
        if size % part.count:
            raise ValueError(
                f"{name} is {size}, which {part.count} processes cannot share equally: set it to a "
                f"multiple of {part.count}"
            )
    return part


def check_meta_shared(size: int, part: Part) -> None:
    """Refuse a meta set of which some process would have nothing.

    Raises:
        ValueError: there are fewer images than processes.
    """
    if 0 < size < part.count:
        raise ValueError(
            f"the meta set has {size} images, fewer than the {part.count} processes: set "
            "data.meta.per_class higher, or start fewer processes"
        )


def check_seen_by_all(what: str, own: object) -> None:
    """Refuse to go on where processes find different things in one folder.

    Args:
        what: was looked for, in words.
        own: what this process has found; in words as well.

    Raises:
        ValueError: they differ.
    """
    everyones = gathered_objects(own)
    other = next((rank for rank, found in enumerate(everyones) if found != everyones[0]), None)
    if other is not None:
        raise ValueError(
            f"process 0 sees {everyones[0]} of {what}, process {other} {everyones[other]}: let all "
            "see the same files (a shared file system, or a mount), then give the same command "
            "again"
        )


def predict_together(model: nn.Module, split: Split, device: torch.device) -> Tensor:
    """Logits `(N, C)` of a whole split on the CPU, of which every process computes a part.

    All take the buffers of the first, such as running statistics.
    """
    if processes.count() == 1:
        return predict(model, split, device)
    processes.copy_from_first(model.buffers())
    share = -(-len(split) // processes.count())
    # all parts are alike in size: the last ones begin anew
    places = torch.arange(share * processes.count()) % len(split)
    own = predict(model, split.take(places.split(share)[processes.rank()]), device)
    return processes.gathered(own.to(device)).cpu()[: len(split)]


def gathered_objects(own: object) -> list[Any]:
    """Of all processes, in their order."""
    everyones: list[Any] = [own] * processes.count()
    if processes.count() > 1:
        dist.all_gather_object(everyones, own)
    return everyones


def from_first(own: _T) -> _T:
    """What the first process has; the others wait for it."""
    first: _T = gathered_objects(own)[0]
    return first
