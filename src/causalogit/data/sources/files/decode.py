"""From a file to a square of 8-bit pixels: upright, RGB, resized; masks likewise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from causalogit.data.sources.files.record import Box, Record

Array = numpy.ndarray[Any, Any]
_QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
OBJECT = 128
"""The least value of a mask's pixel that is object rather than background."""

_COLOURED = 64
"""The least value of a colour's brightest channel that is object: lossy files have darker halos
around it, and the usual palettes (VOC, Cityscapes, ADE20K) no darker colours."""

_MOST_CLASSES = 32
"""Class numbers below which a mask of grey values is one of class numbers, not of shades."""


class Unusable(ValueError):
    """A photo or its mask cannot be used; the message says why."""


@dataclass(frozen=True)
class Decoded:
    """A decoded photo.

    Attributes:
        pixels: `(3, S, S)`, or `(4, S, S)` with the mask; 8 bits.
        digest: of the photo's bytes.
    """

    pixels: Tensor
    digest: bytes


def decode(record: Record, size: int, *, with_mask: bool) -> Decoded:
    """The photo of a record, and its mask, as `size` x `size` pixels.

    The short side is resized to `size`, the middle is kept.

    Raises:
        Unusable: a file is missing or cannot be decoded, the mask has another size than the photo,
            the box is not inside of it, or the object is not in the middle.
    """
    content = read_bytes(record.image)
    photo, full_size = decode_photo(content, size, record.image.name)
    channels = [photo]
    if record.box is not None:
        check_box(record.box, full_size)
    if with_mask:
        mask = None  # others have one, but not of this split: nobody will look at it
        if record.mask is not None:
            mask = decode_mask(read_bytes(record.mask), full_size, f"the mask {record.mask}")
        elif record.box is not None:
            mask = box_mask(record.box, full_size)
        channels.append(0 * photo[..., :1] if mask is None else fit_mask(mask, size))
    return Decoded(stacked(channels), hashlib.blake2b(content, digest_size=16).digest())


def stacked(channels: list[Array]) -> Tensor:
    """Pixels `(S, S, 3)` and, if any, the mask `(S, S, 1)`, as one tensor `(K, S, S)`."""
    return torch.from_numpy(numpy.concatenate(channels, axis=2)).permute(2, 0, 1).contiguous()


def fit_mask(mask: Image.Image, size: int) -> Array:
    """The middle square of a mask, resized, `(S, S, 1)`.

    Raises:
        Unusable: it shows no object.
    """
    fitted = numpy.asarray(fit_square(mask, size))[..., None]
    if fitted.max() < OBJECT:
        raise Unusable(
            f"the middle square of the photo, {size} x {size} pixels, shows nothing of the object: "
            "cut the photo around it, or leave it out"
        )
    return fitted


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        Unusable: it does not exist or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Unusable(f"{path} does not exist") from error
    except OSError as error:
        raise Unusable(f"{path} cannot be read ({error.strerror})") from error


def decode_photo(content: bytes, size: int, name: str) -> tuple[Array, tuple[int, int]]:
    """Pixels `(S, S, 3)` of a photo, and the width and height of the whole of it, upright.

    Raises:
        Unusable: it cannot be decoded.
    """
    whole = decode_whole(content, size, name)
    return numpy.asarray(fit_square(whole.photo, size)), whole.size


@dataclass(frozen=True)
class Whole:
    """A whole photo, upright.

    Attributes:
        photo: RGB; a JPEG file may be decoded at a fraction of its size.
        size: width and height of the file, upright.
    """

    photo: Image.Image
    size: tuple[int, int]


def decode_whole(content: bytes, least: int | None, name: str) -> Whole:
    """A photo as it is, except that pixels may be saved that nobody needs.

    Args:
        content: of its file.
        least: pixels of a side that are enough; None for all.
        name: of the file, for messages.

    Raises:
        Unusable: it cannot be decoded.
    """
    try:
        with Image.open(BytesIO(content)) as image:
            size = _upright_size(image)
            if least is not None:
                # a JPEG file can be decoded at a fraction; twice the target loses nothing
                image.draft("RGB", (2 * least, 2 * least))
            return Whole(_rgb(ImageOps.exif_transpose(image)), size)
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        raise Unusable(f"{name} is not a readable image ({_reason(error)})") from error


def decode_alpha(content: bytes, name: str) -> Image.Image | None:
    """The transparency of a whole photo, upright, 8-bit grey; None where nothing is transparent.

    Raises:
        Unusable: it cannot be decoded.
    """
    try:
        with Image.open(BytesIO(content)) as image:
            # a file that cannot have any is not decoded for it
            has_any = image.has_transparency_data
            return _alpha(ImageOps.exif_transpose(image)) if has_any else None
    except Exception as error:
        raise Unusable(f"{name} is not a readable image ({_reason(error)})") from error


def decode_mask(content: bytes, full_size: tuple[int, int], name: str) -> Image.Image:
    """A mask, 8-bit grey, of the whole photo.

    Grey values are 0 to 255 (one value alone beside 0 is the object, whatever it is), colours are
    object wherever they are not black (of a palette without black, all but its first is), and
    transparency is background where the image has any.

    Raises:
        Unusable: it cannot be decoded, has another size than its photo, or shows no object.
    """
    try:
        with Image.open(BytesIO(content)) as image:
            size = _upright_size(image)
            mask = grey_mask(ImageOps.exif_transpose(image))
    except Exception as error:
        raise Unusable(f"{name} is not a readable image ({_reason(error)})") from error
    if size != full_size:
        raise Unusable(
            f"{name} has {size[0]} x {size[1]} pixels, its image {full_size[0]} x {full_size[1]}"
            + (" (photos are turned upright by their EXIF data)" if size == full_size[::-1] else "")
        )
    if numpy.asarray(mask).max() < OBJECT:
        raise Unusable(
            f"{name} shows no object: give its pixels 255, or one value alone beside 0, or leave "
            "the image out"
        )
    return mask


def check_box(box: Box, full_size: tuple[int, int]) -> None:
    """Whether a box lies inside of its photo.

    Raises:
        Unusable: it does not, or it is none.
    """
    width, height = full_size
    left, top, right, bottom = box
    told = " ".join(f"{value:g}" for value in box)
    if not (left < right and top < bottom):  # also where a number is nan
        raise Unusable(
            f"the box {told} ends before it begins: give x0 y0 x1 y1, not a width and a height"
        )
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise Unusable(f"the box {told} is not inside of the image's {width} x {height} pixels")


def box_mask(box: Box, full_size: tuple[int, int]) -> Image.Image:
    """The inside of a box, 8-bit grey, of the whole photo."""
    left, top, right, bottom = map(round, box)
    left, top = min(left, full_size[0] - 1), min(top, full_size[1] - 1)
    mask = Image.new("L", full_size)
    # a box thinner than a pixel keeps one
    mask.paste(255, (left, top, max(right, left + 1), max(bottom, top + 1)))
    return mask


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    turned = image.getexif().get(ExifTags.Base.Orientation) in _QUARTER_TURNS
    return (height, width) if turned else (width, height)


def fit_square(image: Image.Image, size: int) -> Image.Image:
    """The middle square of a photo or a mask, resized to `(S, S)`."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    square = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BILINEAR, square)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = _to_8_bits(image)
    elif image.mode == "F":
        raise ValueError("its pixels are floating-point numbers: save it with 8 or 16 bits")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # of its transparency Pillow would warn otherwise
    return image.convert("RGB")


def _alpha(image: Image.Image) -> Image.Image | None:
    """Transparency, 8-bit grey; None where nothing is transparent."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        alpha = image.convert("RGBA").getchannel("A")
        if alpha.getextrema() != (255, 255):
            return alpha
    return None


def grey_mask(image: Image.Image) -> Image.Image:
    """A mask, 8-bit grey, from whatever a file holds; see `decode_mask`."""
    if alpha := _alpha(image):
        return alpha
    if image.mode.startswith("I"):
        # before they are scaled, or class numbers would be lost
        return _object(numpy.asarray(image)) or _to_8_bits(image)
    values = numpy.asarray(_rgb(image))
    if image.mode == "P" and values.max(2).min() >= _COLOURED:
        # no colour is black: the numbers count, and 0 is the background
        return Image.fromarray(numpy.asarray(image) > 0).convert("L")
    if (values == values[..., :1]).all():
        grey: Array = numpy.ascontiguousarray(values[..., 0])
        return _object(grey) or Image.fromarray(grey)
    return Image.fromarray(values.max(2) >= _COLOURED).convert("L")


def _object(grey: Array) -> Image.Image | None:
    """The mask of the only value beside 0; None where there are more of them.

    Raises:
        ValueError: they are class numbers, one of which is the largest possible value: what is not
            to be looked at (VOC's border).
    """
    if ((grey == 0) | (grey == grey.max())).all():
        return Image.fromarray(grey > 0).convert("L")
    values = numpy.unique(grey)
    if values[-1] == 255 and values[-2] < _MOST_CLASSES:
        raise ValueError(
            "its values are 0 to 254 by class, and 255 for what is not to be looked at: save one "
            "value for the object beside 0"
        )
    return None


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Of 16 bits the upper 8; 32 bits hold 8 where no value is larger."""
    values = numpy.asarray(image).astype(numpy.float64).clip(0, 65535)
    if image.mode != "I" or values.max() > 255:
        values /= 257
    return Image.fromarray(numpy.rint(values).astype(numpy.uint8))


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no image format that is known"
    return f"{error}" or type(error).__name__
