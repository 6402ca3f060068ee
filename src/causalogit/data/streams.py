"""In which order samples come: decided by seeds alone, so that a run can go on anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from causalogit.data.batch import Batch, Split


def epoch_order(size: int, weights: Tensor | None, seed: int, epoch: int) -> Tensor:
    """The order of one epoch: a permutation, or draws with replacement by `weights` `(N,)`.

    It depends on the seed and the epoch alone, so a run that goes on sees what it would have seen.
    """
    generator = torch.Generator().manual_seed(_fold(seed * 1_000_003 + epoch))
    if weights is None:
        return torch.randperm(size, generator=generator)
    return torch.multinomial(weights, size, replacement=True, generator=generator)


def draws_at(seed: int, epoch: int, step: int) -> torch.Generator:
    """The generator of one training step's crops and flips: no state that a run would lose."""
    return torch.Generator().manual_seed(_fold((seed * 1_000_003 + epoch) * 1_000_003 + step))


def epoch_batches(
    split: Split,
    batch_size: int,
    seed: int,
    epoch: int,
    *,
    weights: Tensor | None = None,
    start: int = 0,
) -> Iterator[Batch]:
    """The batches of one training epoch, transformed, from step `start` on.

    See `epoch_order` for `weights`; the last batch may be smaller.
    """
    batches = epoch_order(len(split), weights, seed, epoch).split(batch_size)
    for step in range(start, len(batches)):
        yield split.batch(batches[step], draws_at(seed, epoch, step))


def endless_batches(
    split: Split, batch_size: int, generator: torch.Generator, device: torch.device
) -> Iterator[Batch]:
    """Random batches of a small split without end; within a batch no sample comes twice.

    All state is the generator's, so that a checkpoint of it is a checkpoint of the stream.
    """
    while True:
        order = torch.randperm(len(split), generator=generator)
        yield split.batch(order[:batch_size], generator).to(device)


def _fold(number: int) -> int:
    """Into the 63 bits that a generator takes."""
    return number % 2**63
