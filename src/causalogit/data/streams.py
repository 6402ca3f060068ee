"""In which order samples come: decided by seeds alone, so that a run can go on anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import torch
from torch import Tensor

from causalogit.data.batch import Batch, Split


@dataclass(frozen=True)
class Part:
    """What one of several processes has of every batch: an equal share, and draws of its own.

    Args:
        rank: which process this is, from 0.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    def of(self, places: Tensor) -> Tensor:
        """Its share of `places` `(B,)`; what cannot be shared out equally nobody has."""
        share = len(places) // self.count
        return places[self.rank * share : (self.rank + 1) * share]

    def draws(self, generator: torch.Generator) -> torch.Generator:
        """A generator apart from the other processes'; `generator` stays in step with theirs."""
        if self.count == 1:
            return generator
        seed = int(torch.randint(2**62, (), generator=generator))
        return torch.Generator().manual_seed(_fold(seed + self.rank))


ALONE = Part()


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
    part: Part = ALONE,
) -> Iterator[Batch]:
    """The batches of one training epoch, transformed, from step `start` on.

    See `epoch_order` for `weights`; the last batch may be smaller. Of every batch only `part` is
    read.
    """
    order = epoch_order(len(split), weights, seed, epoch)
    for step in range(start, steps_in_epoch(len(split), batch_size, part)):
        places = part.of(order[step * batch_size : (step + 1) * batch_size])
        yield split.batch(places, part.draws(draws_at(seed, epoch, step)))


def read_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches; while one is learned from, a thread decodes and transforms the next."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def steps_in_epoch(size: int, batch_size: int, part: Part = ALONE) -> int:
    """How many batches there are.

    The last may be smaller, but every process has an image of it, and it has more than one: batch
    norm has no use for a batch of one. Another epoch leaves other images out.
    """
    left = size % batch_size
    return size // batch_size + (left >= part.count and (left > 1 or size == 1))


def endless_batches(
    split: Split,
    batch_size: int,
    generator: torch.Generator,
    device: torch.device,
    part: Part = ALONE,
) -> Iterator[Batch]:
    """Random batches of a small split without end; within a batch no sample comes twice.

    All state is the generator's, so that a checkpoint of it is a checkpoint of the stream. Of every
    batch only `part` is read; the generators of all processes must be alike.
    """
    while True:
        order = torch.randperm(len(split), generator=generator)
        places = part.of(order[:batch_size])
        # several processes draw from a twin: the order stays that of one, if nothing else is drawn
        draws = generator if part.count == 1 else part.draws(generator.clone_state())
        yield split.batch(places, draws).to(device)


class Stream(Iterator[Batch]):
    """Random batches of a small split without end, each read while the one before is learned from.

    The draws are its own: a thread makes them, ahead of time.

    Args:
        split: which.
        batch_size: of all processes together; within a batch no sample comes twice.
        seed: of the draws.
        device: where the batches are wanted.
        part: what this process has of every batch.
    """

    def __init__(
        self, split: Split, batch_size: int, seed: int, device: torch.device, part: Part = ALONE
    ) -> None:
        self.device = device
        self._draws = torch.Generator().manual_seed(_fold(seed))
        self._batches = endless_batches(split, batch_size, self._draws, torch.device("cpu"), part)
        self._reader = ThreadPoolExecutor(1)
        self._ahead: Future[Batch] | None = None
        self._before = self._draws.get_state()

    def __next__(self) -> Batch:
        """The next batch, on the device."""
        batch = self._read().result()
        self._before, self._ahead = self._draws.get_state(), None
        self._read()
        return batch.to(self.device)

    def state_dict(self) -> dict[str, Tensor]:
        """Where it is: before the batch that is read ahead."""
        return {"draws": self._before}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state_dict`."""
        if self._ahead is not None:
            wait([self._ahead])
        self._ahead, self._before = None, state["draws"]
        self._draws.set_state(self._before)

    def _read(self) -> Future[Batch]:
        if self._ahead is None:
            self._ahead = self._reader.submit(next, self._batches)
        return self._ahead


def _fold(number: int) -> int:
    """Into the 63 bits that a generator takes."""
    return number % 2**63
