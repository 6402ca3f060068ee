"""Photos are read when they are asked for, in the order asked for, and kept while there is room."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from causalogit.data.sources.files import Record
from causalogit.data.sources.files.photos import Photos, in_threads


@pytest.fixture
def records(photo):
    return [Record(f"row {i}", photo(f"{i}.png", 8, 8), "a") for i in range(40)]


def exact(file):
    with Image.open(file) as image:
        values = torch.tensor(list(image.convert("RGB").tobytes()), dtype=torch.uint8)
    return values.reshape(8, 8, 3).permute(2, 0, 1).float() / 255


def test_nothing_is_read_before_it_is_asked_for(records):
    for record in records[3:]:
        record.image.unlink()
    images = Photos(records, 8)
    assert len(images) == 40
    assert images.shape == (3, 8, 8)
    assert not images.has_masks
    found, masks = images.read(torch.tensor([2, 0, 2]))
    assert masks is None
    assert torch.equal(found, torch.stack([exact(records[i].image) for i in (2, 0, 2)]))
    with pytest.raises(ValueError, match=r"^row 5: .*5\.png does not exist$"):
        images.read(torch.tensor([1, 5]))


def test_what_was_read_is_kept(records):
    images = Photos(records, 8)
    first = images.read(torch.arange(40))[0]
    for record in records:
        record.image.unlink()
    assert torch.equal(images.read(torch.arange(39, -1, -1))[0], first.flip(0))


def test_a_set_without_room_is_read_anew_every_time(records):
    images = Photos(records, 8, memory=0)
    assert not images.keeps
    order = torch.randint(40, (300,))
    found = images.read(order)[0]
    for row in range(0, 300, 29):
        assert torch.equal(found[row], exact(records[order[row]].image))
    records[0].image.unlink()
    with pytest.raises(ValueError, match="does not exist"):
        images.read(torch.tensor([0]))


def test_looking_keeps_what_it_decodes(records):
    images = Photos(records, 8)
    digests = [found.digest for found in images.look()]
    assert len(set(digests)) == 40
    for record in records:
        record.image.unlink()
    assert images.read(torch.arange(40))[0].shape == (40, 3, 8, 8)


def test_masks_come_along(records, photo):
    masked = [
        Record(record.where, record.image, "a", mask=photo(f"mask{i}.png", 8, 8, "L"))
        for i, record in enumerate(records)
    ]
    images = Photos(masked, 8)
    assert images.has_masks
    found, masks = images.read(torch.tensor([7, 3]))
    assert torch.equal(found, torch.stack([exact(records[i].image) for i in (7, 3)]))
    assert torch.equal(masks, torch.stack([exact(masked[i].mask)[:1] for i in (7, 3)]))


def test_threads_keep_the_order():
    assert list(in_threads(lambda x: x * x, range(1000))) == [x * x for x in range(1000)]
    assert list(in_threads(lambda x: x, [])) == []
