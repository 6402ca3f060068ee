"""Photos whose objects a segmenter finds, once."""

from __future__ import annotations

import numpy
import torch
from torch import Tensor

from causalogit.auditing.journal import Journal, OnStep, Rows
from causalogit.data import Images
from causalogit.data.images import Pixels
from causalogit.masks import Segmenter


class Segmented:
    """Photos with masks of 0 and 1.

    Args:
        images: the photos.
        bits: of their masks, `(N, bytes)`.
    """

    has_masks = True

    def __init__(self, images: Images, bits: Tensor) -> None:
        self.base, self._bits = images, bits

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(K, H, W)`."""
        return self.base.shape

    def __len__(self) -> int:
        return len(self.base)

    def read(self, index: Tensor) -> Pixels:
        """Photos and masks at `index`."""
        photos, _ = self.base.read(index)
        height, width = self.shape[1:]
        values = numpy.unpackbits(self._bits[index].numpy(), axis=1, count=height * width)
        return photos, torch.from_numpy(values).float().reshape(len(index), 1, height, width)


def segmented(
    images: Images,
    segmenter: Segmenter,
    journal: Journal,
    batch_size: int,
    on_step: OnStep | None = None,
) -> Segmented:
    """The photos with the masks that a segmenter finds, or has found in a run that was stopped.

    Raises:
        ValueError: it gives masks of another shape than the photos'.
    """

    def find(some: Tensor) -> Rows:
        return {"bits": bits_of(images, segmenter, some)}

    places = torch.arange(len(images))
    return Segmented(images, journal.rows("masks", places, batch_size, find, on_step)["bits"])


def bits_of(images: Images, segmenter: Segmenter, places: Tensor) -> Tensor:
    """What a segmenter finds in the photos at `places` `(B,)`, as bits `(B, bytes)`.

    Raises:
        ValueError: it gives masks of another shape than the photos'.
    """
    photos, _ = images.read(places)
    with torch.no_grad():
        masks = segmenter(photos)
    wanted = (len(places), 1, *images.shape[1:])
    if masks.shape != wanted:
        raise ValueError(
            f"the segmenter gives masks of shape {tuple(masks.shape)} for photos of shape "
            f"{tuple(photos.shape)}: {wanted} is wanted"
        )
    on = (masks >= 0.5).flatten(1).cpu().numpy()
    return torch.from_numpy(numpy.packbits(on, axis=1))
