"""Photos whose objects a segmenter finds."""

from __future__ import annotations

import numpy
import torch
from torch import Tensor

from causalogit.data import Images
from causalogit.data.images import Pixels
from causalogit.masks import Segmenter


class Segmented:
    """Photos with the masks that a segmenter finds; each is found once and kept as bits."""

    has_masks = True

    def __init__(self, images: Images, segmenter: Segmenter) -> None:
        self.images, self._segmenter = images, segmenter
        self._found: dict[int, Tensor] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(K, H, W)`."""
        return self.images.shape

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: Tensor) -> Pixels:
        """Photos, and masks of 0 and 1."""
        photos, _ = self.images.read(index)
        places = index.tolist()
        new = [row for row, place in enumerate(places) if place not in self._found]
        if new:
            with torch.no_grad():
                masks = self._segmenter(photos[new])
            wanted = (len(new), 1, *self.shape[1:])
            if masks.shape != wanted:
                raise ValueError(
                    f"the segmenter gives masks of shape {tuple(masks.shape)} for photos of shape "
                    f"{tuple(photos[new].shape)}: {wanted} is wanted"
                )
            for row, mask in zip(new, masks, strict=True):
                self._found[places[row]] = _packed(mask >= 0.5)
        kept = torch.stack([self._found[place] for place in places])
        return photos, _unpacked(kept, self.shape[1:])


def _packed(mask: Tensor) -> Tensor:
    """Bits of a mask as bytes."""
    return torch.from_numpy(numpy.packbits(mask.flatten().cpu().numpy()))


def _unpacked(bits: Tensor, size: tuple[int, ...]) -> Tensor:
    count = size[0] * size[1]
    values = numpy.unpackbits(bits.numpy(), axis=1, count=count)
    return torch.from_numpy(values).float().reshape(len(bits), 1, *size)
