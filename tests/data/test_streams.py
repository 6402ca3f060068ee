"""Orders depend on seed and epoch alone; the meta stream on its generator alone."""

from __future__ import annotations

import time
from itertools import islice
from threading import Event

import pytest
import torch

from causalogit.data import (
    InMemory,
    Part,
    Split,
    Stream,
    endless_batches,
    epoch_batches,
    epoch_order,
    read_ahead,
    steps_in_epoch,
)
from causalogit.data.transforms import pad_crop_flip


def test_epoch_order_is_a_permutation_that_changes_with_seed_and_epoch():
    order = epoch_order(50, None, seed=3, epoch=7)
    assert sorted(order.tolist()) == list(range(50))
    assert torch.equal(order, epoch_order(50, None, seed=3, epoch=7))
    assert not torch.equal(order, epoch_order(50, None, seed=3, epoch=8))
    assert not torch.equal(order, epoch_order(50, None, seed=4, epoch=7))


def test_weights_decide_how_often_a_sample_comes():
    weights = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64).repeat(1000)
    drawn = torch.bincount(epoch_order(3000, weights, 0, 0) % 3, minlength=3)
    assert drawn[0] == 0
    assert 2.5 < drawn[2] / drawn[1] < 3.6


def test_endless_batches_go_on_from_the_generator_state():
    split = Split(InMemory(torch.rand(10, 1, 2, 2)), torch.arange(10), torch.arange(10))
    generator = torch.Generator().manual_seed(5)
    stream = endless_batches(split, 4, generator, torch.device("cpu"))
    next(stream)
    state = generator.get_state()
    later = [batch.labels for batch in islice(stream, 3)]
    other = torch.Generator()
    other.set_state(state)
    again = [b.labels for b in islice(endless_batches(split, 4, other, torch.device("cpu")), 3)]
    assert all(torch.equal(a, b) for a, b in zip(later, again, strict=True))
    assert all(len(batch.unique()) == 4 for batch in later)


def test_an_epoch_can_begin_in_its_middle():
    images = torch.rand(10, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    split = Split(InMemory(images), torch.arange(10), torch.arange(10), transform=pad_crop_flip)
    whole = list(epoch_batches(split, 4, seed=3, epoch=1))
    rest = list(epoch_batches(split, 4, seed=3, epoch=1, start=1))
    assert [len(batch.labels) for batch in whole] == [4, 4, 2]
    assert torch.cat([batch.indices for batch in whole]).sort().values.tolist() == list(range(10))
    for batch, again in zip(whole[1:], rest, strict=True):
        assert torch.equal(batch.images, again.images)
        assert torch.equal(batch.labels, again.labels)
        assert not torch.equal(batch.images, images[batch.indices])
    other = next(epoch_batches(split, 4, seed=3, epoch=2))
    assert not torch.equal(other.indices, whole[0].indices)


@pytest.mark.parametrize("seed", [20_240_101, 2**62 - 1])
def test_seeds_may_be_large(seed):
    split = Split(InMemory(torch.rand(4, 3, 8, 8)), torch.arange(4), torch.arange(4))
    first = next(epoch_batches(split, 4, seed + 1_000_000, epoch=199))
    assert sorted(first.indices.tolist()) == [0, 1, 2, 3]


def test_parts_are_equal_and_have_draws_of_their_own() -> None:
    places = torch.arange(7)
    parts = [Part(rank, 3) for rank in range(3)]
    assert [part.of(places).tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]
    generators = [torch.Generator().manual_seed(5) for _ in parts]
    draws = [
        torch.rand(2, generator=part.draws(generator)).tolist()
        for part, generator in zip(parts, generators, strict=True)
    ]
    assert len({tuple(draw) for draw in draws}) == 3
    assert len({tuple(generator.get_state().tolist()) for generator in generators}) == 1


def test_a_batch_that_cannot_be_shared_out_is_left_out_by_all() -> None:
    assert steps_in_epoch(103, 20) == 6
    assert steps_in_epoch(103, 20, Part(0, 3)) == 6
    assert steps_in_epoch(103, 20, Part(0, 4)) == 5
    assert steps_in_epoch(100, 20, Part(0, 4)) == 5


def test_a_last_batch_of_one_is_left_out_for_batch_norm_has_no_use_for_it() -> None:
    assert steps_in_epoch(101, 20) == 5
    assert steps_in_epoch(102, 20) == 6
    assert steps_in_epoch(3, 1) == 3
    assert steps_in_epoch(1, 20) == 1


def split(size):
    return Split(InMemory(torch.rand(size, 1, 2, 2)), torch.arange(size), torch.arange(size))


def test_reading_ahead_changes_no_batch():
    train = split(10)
    plain = list(epoch_batches(train, 4, seed=0, epoch=0))
    ahead = list(read_ahead(epoch_batches(train, 4, seed=0, epoch=0)))
    assert [batch.indices.tolist() for batch in ahead] == [b.indices.tolist() for b in plain]
    assert all(torch.equal(a.images, b.images) for a, b in zip(ahead, plain, strict=True))


def test_the_next_batch_is_read_while_one_is_learned_from():
    read = Event()

    def batches():
        for number in range(2):
            yield split(10).batch(torch.tensor([number]))
            read.set()  # asked for the next one

    stream = read_ahead(batches())
    next(stream)
    assert read.wait(10)


def test_an_error_of_a_reader_arrives():
    def batches():
        yield split(10).batch(torch.tensor([0]))
        raise ValueError("photo.png: truncated")

    stream = read_ahead(batches())
    next(stream)
    with pytest.raises(ValueError, match=r"photo\.png: truncated"):
        next(stream)


class Counted(InMemory):
    """Tells how often it was read."""

    def __init__(self, images) -> None:
        super().__init__(images)
        self.reads = 0

    def read(self, index):
        found = super().read(index)
        self.reads += 1
        return found


def test_a_stream_reads_ahead_and_goes_on_where_it_was():
    images = Counted(torch.rand(10, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    split = Split(images, torch.arange(10), torch.arange(10), transform=pad_crop_flip)
    stream = Stream(split, 4, seed=5, device=torch.device("cpu"))
    states, batches = [stream.state_dict()], []
    for number in range(3):
        batches.append(next(stream))
        deadline = time.monotonic() + 20
        while images.reads < number + 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert images.reads == number + 2  # nobody has asked for the last
        states.append(stream.state_dict())

    def same(stream, expected):
        for batch in expected:
            found = next(stream)
            assert torch.equal(found.indices, batch.indices)
            assert torch.equal(found.images, batch.images)  # its crops are the same, too

    other = Stream(split, 4, seed=6, device=torch.device("cpu"))
    assert not torch.equal(next(other).indices, batches[0].indices)
    for number in (2, 0, 1):
        other.load_state_dict(states[number])
        same(other, batches[number:])
    plain = endless_batches(split, 4, torch.Generator().manual_seed(5), torch.device("cpu"))
    same(plain, batches)
