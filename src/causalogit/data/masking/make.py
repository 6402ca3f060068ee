"""The mask of one photo, from whatever is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import numpy
import torch
from PIL import Image, ImageChops
from torch import Tensor

from causalogit.data.masking.config import MasksConfig
from causalogit.data.masking.report import NOTHING_FOUND
from causalogit.data.sources.files import Record
from causalogit.data.sources.files.decode import (
    OBJECT,
    Unusable,
    Whole,
    box_mask,
    check_box,
    decode_alpha,
    decode_mask,
    decode_whole,
    read_bytes,
)
from causalogit.masks import SquareSegmenter, find_segmenter
from causalogit.masks.grabcut import LEAST_OF_BOX, grabcut
from causalogit.masks.quality import EMPTY

Region = tuple[int, int, int, int]

_GRABCUT_SIDE: Final = 512  # of larger photos, GrabCut sees this much; the outline loses little
_MARGIN: Final = 0.1  # of the box, that the segmenter sees around it
_HALF: Final = [0] * 128 + [255] * 128


@dataclass(frozen=True)
class Made:
    """A mask, 8-bit grey, of the whole photo, and where it comes from."""

    mask: Image.Image
    origin: str


@dataclass(frozen=True)
class Asked:
    """What the segmenter still has to look at.

    Attributes:
        square: `(3, S, S)`, 8 bits, the region resized.
        size: width and height of the photo.
        region: that is seen, in pixels of the photo.
        box: outside of which there is no object; None without any.
    """

    square: Tensor
    size: tuple[int, int]
    region: Region
    box: Image.Image | None = None


class MaskMaker:
    """Makes masks as a config asks for it; the segmenter is loaded once it is needed."""

    def __init__(self, config: MasksConfig) -> None:
        self.config = config
        self._segmenter: SquareSegmenter | None = None
        self._loading = Lock()  # photos are begun in several threads

    @property
    def segmenter(self) -> SquareSegmenter:
        """The segmenter."""
        with self._loading:
            if self._segmenter is None:
                path = self.config.segmenter_path
                self._segmenter = find_segmenter(
                    self.config.segmenter, None if path is None else Path(path)
                )
            return self._segmenter

    def begin(self, record: Record) -> Made | Asked:
        """All that can be done for one photo alone.

        Raises:
            Unusable: the photo cannot be used, or lacks what its mask is to come from.
            ValueError: the segmenter cannot be used.
        """
        origin, name = self.config.origin, record.image.name
        content = read_bytes(record.image)
        if record.mask is not None:
            size = decode_whole(content, 1, name).size
            mask = decode_mask(read_bytes(record.mask), size, f"the mask {record.mask}")
            return Made(mask, "file")
        if origin == "files":
            raise Unusable("names no mask")
        if origin in ("auto", "alpha") and (alpha := decode_alpha(content, name)):
            if not _visible(alpha):
                raise Unusable(f"{name} is transparent everywhere, so it shows no object")
            return Made(alpha, "alpha")
        if origin == "alpha":
            raise Unusable(f"{name} has no transparency")
        if origin != "segmenter" and record.box is not None:
            return self._from_box(record.box, decode_whole(content, None, name))
        if origin == "boxes":
            raise Unusable("names no box")
        whole = decode_whole(content, self.segmenter.side, name)
        return self._asked(whole, (0, 0, *whole.size))

    def finish(self, asked: Sequence[Asked]) -> list[Made]:
        """Let the segmenter look at all squares at once."""
        if not asked:
            return []
        squares = torch.stack([own.square for own in asked]).float() / 255
        with torch.inference_mode():
            found = (self.segmenter(squares) * 255).round().clamp(0, 255).to(torch.uint8)
        return [_in_place(own, mask[0]) for own, mask in zip(asked, found, strict=True)]

    def _from_box(self, box: tuple[float, float, float, float], whole: Whole) -> Made | Asked:
        check_box(box, whole.size)
        plain = box_mask(box, whole.size)
        if self.config.refine == "segmenter":
            x0, y0, x1, y1 = box
            right, down = _MARGIN * (x1 - x0), _MARGIN * (y1 - y0)
            width, height = whole.size
            region = (
                max(0, int(x0 - right)),
                max(0, int(y0 - down)),
                min(width, int(x1 + right) + 1),
                min(height, int(y1 + down) + 1),
            )
            return self._asked(whole, region, plain)
        if self.config.refine == "grabcut":
            mask = _cut_out(whole.photo, plain)
            if mask is not None:
                return Made(mask, "box, grabcut")
        return Made(plain, "box")

    def _asked(self, whole: Whole, region: Region, box: Image.Image | None = None) -> Asked:
        side = self.segmenter.side
        # the photo may have been decoded at a fraction of its size
        width, height = whole.photo.size
        across, down = width / whole.size[0], height / whole.size[1]
        left, top, right, bottom = region
        seen = (
            left * across,
            top * down,
            min(width, right * across),  # rounding must not lead outside
            min(height, bottom * down),
        )
        square = whole.photo.resize((side, side), Image.Resampling.LANCZOS, seen)
        return Asked(_tensor(square), whole.size, region, box)


def _cut_out(photo: Image.Image, box: Image.Image) -> Image.Image | None:
    """What GrabCut finds inside of a box; None where it finds nothing."""
    scale = min(1.0, _GRABCUT_SIDE / max(photo.size))
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    small = box.resize(size, Image.Resampling.BOX).point(_HALF)
    region = small.getbbox()
    if region is None:
        return None
    found = grabcut(_tensor(photo.resize(size, Image.Resampling.BOX)), region)
    if not found.any():
        return None
    mask = Image.fromarray((found * 255).to(torch.uint8).numpy())
    return mask.resize(photo.size, Image.Resampling.BILINEAR)


def _in_place(asked: Asked, found: Tensor) -> Made:
    """A mask of the whole photo from that of its region.

    Where nothing was found it is the box, or all of the photo: an empty mask would let the object
    pass for background.
    """
    x0, y0, x1, y1 = asked.region
    part = Image.fromarray(found.numpy()).resize((x1 - x0, y1 - y0), Image.Resampling.LANCZOS)
    mask = part
    if part.size != asked.size:
        mask = Image.new("L", asked.size)
        mask.paste(part, (x0, y0))
    if asked.box is None:
        if _visible(mask) < EMPTY * mask.width * mask.height:
            return Made(Image.new("L", asked.size, 255), NOTHING_FOUND)
        return Made(mask, "segmenter")
    inside = ImageChops.darker(mask, asked.box)
    if _visible(inside) < LEAST_OF_BOX * _visible(asked.box):
        return Made(asked.box, "box")
    return Made(inside, "box, segmenter")


def _visible(mask: Image.Image) -> int:
    """How many pixels are object."""
    return int((numpy.asarray(mask) >= OBJECT).sum())


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)
