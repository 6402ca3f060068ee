"""Tensors to image files, and these to data URIs."""

from __future__ import annotations

import base64
import io

import torch
from matplotlib.image import imsave
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

_DARK = torch.tensor([0.07, 0.08, 0.10])[:, None, None]
_SIDE = 160  # pixels that a small image is magnified to, at least, and a large one scaled down to
_PHOTO = 96  # from this side on an image is a photo, which PNG would keep in ten times the space


def data_uri(content: bytes) -> str:
    """A PNG or JPEG file as the value of an `src`."""
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()


def picture(image: Tensor) -> str:
    """An image `(K, H, W)` in [0, 1] as a data URI of about 160 pixels in height."""
    return embedded(magnified(image), is_photo(image))


def embedded(rgb: Tensor, photo: bool) -> str:
    """RGB `(3, H, W)` as a data URI, as JPEG where it comes from a photo."""
    return data_uri(_jpeg(rgb) if photo else encode(rgb))


def is_photo(image: Tensor) -> bool:
    """Whether an image `(K, H, W)` is too large to show its pixels."""
    return min(image.shape[1:]) >= _PHOTO


def magnified(image: Tensor) -> Tensor:
    """RGB `(3, h, w)`, about 160 pixels high.

    The pixels of a small image stay square; a large image is scaled down.
    """
    rgb = image if len(image) == 3 else image[:1].expand(3, -1, -1)
    height, width = image.shape[1:]
    if height > _SIDE:
        size = [_SIDE, max(1, round(width * _SIDE / height))]
        scaled = F.interpolate(rgb[None], size, mode="bilinear", antialias=True)[0]
        return scaled.clamp(0, 1)
    factor = max(1, round(_SIDE / height))
    return rgb.repeat_interleave(factor, 1).repeat_interleave(factor, 2).clamp(0, 1)


def spotlight(image: Tensor, attention: Tensor) -> Tensor:
    """The image as the model weighs it: lit where its attention is, a dark shade elsewhere.

    Where it is nowhere, the image is grey: black would look like a fault.

    Args:
        image: `(K, H, W)` in [0, 1].
        attention: `(H, W)` in [0, 1].
    """
    rgb = magnified(image)
    if not attention.any():
        return rgb.mean(0, keepdim=True).expand_as(rgb)
    light = F.interpolate(attention[None, None], rgb.shape[1:], mode="bilinear")[0].clamp(0, 1)
    light = light**0.7  # the eye tells dark shades apart badly
    shade = _DARK + 0.16 * rgb.mean(0, keepdim=True)
    return light * rgb + (1 - light) * shade


def encode(rgb: Tensor) -> bytes:
    """RGB `(3, H, W)` in [0, 1] as the content of a PNG file."""
    file = io.BytesIO()
    # without an alpha channel the file is smaller
    imsave(file, _bytes(rgb).numpy(), format="png")
    return file.getvalue()


def _jpeg(rgb: Tensor) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_bytes(rgb).numpy()).save(file, "JPEG", quality=88)
    return file.getvalue()


def _bytes(rgb: Tensor) -> Tensor:
    return (rgb.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
