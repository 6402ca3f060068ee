"""Photos from data sets of torch and from segmenters; what is wrong with them is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from causalogit.auditing import AuditConfig, audit
from causalogit.auditing.dataset import from_dataset
from causalogit.auditing.journal import Journal
from causalogit.auditing.segmented import segmented
from causalogit.auditing.subject import of_module
from tests.auditing.conftest import make_samples


class Items(Dataset):
    """Samples as items; `spoil` changes the third of them."""

    def __init__(self, samples, spoil=None):
        self.samples, self.spoil = samples, spoil

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, place):
        photos, masks = self.samples.images.read(torch.tensor([place]))
        item = (photos[0], int(self.samples.labels[place]), masks[0])
        return self.spoil(*item) if self.spoil and place == 2 else item


def test_a_data_set_gives_what_its_samples_give(object_reader):
    samples, config = make_samples(40), AuditConfig(attention=4)
    ours = audit(object_reader, samples, config, pictures=False)
    theirs = audit(
        object_reader, Items(samples), config, class_names=("hot", "cold"), pictures=False
    )
    assert theirs.overall == ours.overall
    assert theirs.classes == ours.classes
    assert theirs.known is None


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p, y, m: (p * 255, y, m), r"photo 2 has values .*give photos in \[0, 1\]"),
        (lambda p, y, m: (p[:, :20], y, m), r"photo 2 has the shape .* the first \(3, 24, 24\)"),
        (lambda p, y, m: (p, y, m[:, :20]), r"the mask of photo 2 has the shape \(1, 20, 24\)"),
        (lambda p, y, m: (p, 7, m), r"labels run from 0 to 7 for 2 class names"),
    ],
)  # fmt: skip
def test_bad_items_are_named(object_reader, spoil, message):
    data = Items(make_samples(10), spoil)
    with pytest.raises(ValueError, match=message):
        audit(object_reader, data, class_names=("hot", "cold"), pictures=False)


@pytest.mark.parametrize("kind", ["ndarray", "NoneType", "int"])
@pytest.mark.parametrize("place", [0, 2])
def test_what_is_no_mask_is_told(object_reader, kind, place):
    other = {"ndarray": np.ones((24, 24)), "NoneType": None, "int": 7}[kind]

    class Others(Items):
        def __getitem__(self, number):
            photo, label, mask = super().__getitem__(number)
            return photo, label, other if number == place else mask

    message = rf"the mask a tensor .*number {place} is \(tensor of .*, int, {kind}\)"
    with pytest.raises(ValueError, match=message):
        audit(object_reader, Others(make_samples(10)), class_names=("a", "b"), pictures=False)


def test_photos_in_double_precision_are_photos(object_reader):
    class Double(Items):
        def __getitem__(self, place):
            photo, label, mask = super().__getitem__(place)
            return photo.double(), label, mask

    def overall(kind):
        config = AuditConfig(attention=0)
        data = kind(make_samples(20))
        return audit(object_reader, data, config, class_names=("a", "b"), pictures=False).overall

    assert overall(Double) == overall(Items)


def test_the_remedy_is_that_of_the_fault():
    class Fails(torch.nn.Module):
        def __init__(self, error):
            super().__init__()
            self.error = error

        def forward(self, images):
            raise self.error

    subject = of_module(Fails(torch.OutOfMemoryError("tried to allocate 2 GiB")))
    with pytest.raises(ValueError, match=r"no memory .*2 GiB\): give a smaller batch_size"):
        subject.answer(torch.rand(2, 3, 8, 8))
    subject = replace(of_module(Fails(KeyError("logits"))), size=8)
    with pytest.raises(ValueError, match=r"set data\.image_size to 8"):
        subject.answer(torch.rand(2, 3, 9, 9))
    with pytest.raises(ValueError, match=r"'logits'\): give photos of the size .* or mend its"):
        subject.answer(torch.rand(2, 3, 8, 8))


def test_items_of_another_kind():
    with pytest.raises(
        ValueError, match=r"must be \(photo, label\) or every .*tensor of torch.int64"
    ):
        from_dataset(TensorDataset(torch.zeros(3, 3, 8, 8).long(), torch.zeros(3).long()))
    with pytest.raises(ValueError, match="the data set has no images"):
        from_dataset(TensorDataset(torch.zeros(0, 3, 8, 8), torch.zeros(0)))


def test_a_segmenter_finds_what_masks_would_say(object_reader):
    exact = make_samples(40)

    def by_colour(photos):
        return (photos[:, :1] - photos[:, 2:]).abs().clamp(0, 1)  # red or blue is the disc

    config = AuditConfig(attention=0)
    found = audit(
        object_reader, make_samples(40, masks="none"), config, segmenter=by_colour, pictures=False
    )
    assert found.overall == audit(object_reader, exact, config, pictures=False).overall


def test_a_stopped_audit_takes_nothing_over_from_other_masks(object_reader, tmp_path):
    def square(size):
        masks = torch.zeros(1, 1, 24, 24)
        masks[..., :size, :size] = 1
        return lambda photos: masks.expand(len(photos), -1, -1, -1)

    def area(segmenter):
        samples, config = make_samples(20), AuditConfig(attention=0)
        return audit(
            object_reader, samples, config, segmenter=segmenter, progress=tmp_path / "progress",
            pictures=False,
        ).overall.area  # fmt: skip

    assert area(square(12)) == pytest.approx(1 / 4)
    assert area(square(18)) == pytest.approx(9 / 16)
    assert area(None) < 0.2  # their own


def test_a_mask_is_found_once_and_kept_for_a_run_that_goes_on(tmp_path):
    images, asked = make_samples(10).images, []

    def segmenter(photos):
        asked.append(len(photos))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return photos[:, :1]

    for _ in range(2):
        try:
            with Journal(tmp_path / "progress", {}) as journal:
                photos = segmented(images, segmenter, journal, 4)
        except KeyboardInterrupt:
            assert asked == [4, 4, 2]
    assert asked == [4, 4, 2, 2]
    first, masks = photos.read(torch.tensor([2, 9]))
    assert torch.equal(masks, (first[:, :1] >= 0.5).float())
    assert 0 < masks.mean() < 1


def test_a_segmenter_that_gives_something_else():
    with pytest.raises(ValueError, match=r"the segmenter gives masks of shape \(4, 3, 24, 24\)"):
        segmented(make_samples(10).images, lambda photos: photos, Journal(None, {}), 4)


def test_what_is_no_data_set_is_told():
    samples = make_samples(8)
    loader = DataLoader(Items(samples), batch_size=2)
    for given in (loader, iter([1])):
        with pytest.raises(ValueError, match="has no items by number: give the data set itself"):
            from_dataset(given)
    items = Items(samples)
    items.targets = ["hot", "cold"] * 4
    with pytest.raises(ValueError, match="the labels are no whole numbers"):
        from_dataset(items)


def test_neither_masks_nor_segmenter():
    with pytest.raises(ValueError, match="the photos have no masks: give a folder"):
        audit(torch.nn.Identity(), make_samples(10, masks="none"))


def test_no_more_photos_at_once_than_a_batch(object_reader):
    samples = make_samples(60)
    read, sizes = samples.images.read, []
    images = samples.images
    object.__setattr__(images, "read", lambda index: sizes.append(len(index)) or read(index))
    audit(object_reader, samples, AuditConfig(attention=20, batch_size=16))
    assert max(sizes) == 16
