"""Tensors to PNG, and PNG to data URIs."""

from __future__ import annotations

import base64
import io

import torch
from matplotlib.image import imsave
from torch import Tensor
from torch.nn import functional as F

_DARK = torch.tensor([0.07, 0.08, 0.10])[:, None, None]
_SIDE = 160  # pixels that a small image is magnified to, at least


def data_uri(content: bytes) -> str:
    """A PNG file as the value of an `src`."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def picture(image: Tensor) -> str:
    """An image `(K, H, W)` in [0, 1] as a data URI; small ones magnified, pixels kept square."""
    return data_uri(encode(magnified(image)))


def magnified(image: Tensor) -> Tensor:
    """RGB `(3, h, w)`, at least about 160 pixels high."""
    rgb = image if len(image) == 3 else image[:1].expand(3, -1, -1)
    factor = max(1, round(_SIDE / image.shape[1]))
    return rgb.repeat_interleave(factor, 1).repeat_interleave(factor, 2).clamp(0, 1)


def spotlight(image: Tensor, attention: Tensor) -> Tensor:
    """The image as the model weighs it: lit where its attention is, a grey shade elsewhere.

    Args:
        image: `(K, H, W)` in [0, 1].
        attention: `(H, W)` in [0, 1].
    """
    rgb = magnified(image)
    light = F.interpolate(attention[None, None], rgb.shape[1:], mode="bilinear")[0].clamp(0, 1)
    light = light**0.7  # the eye tells dark shades apart badly
    shade = _DARK + 0.16 * rgb.mean(0, keepdim=True)
    return light * rgb + (1 - light) * shade


def encode(rgb: Tensor) -> bytes:
    """RGB `(3, H, W)` in [0, 1] as the content of a PNG file."""
    file = io.BytesIO()
    # without an alpha channel the file is smaller
    pixels = (rgb.clamp(0, 1) * 255).round().to(torch.uint8)
    imsave(file, pixels.permute(1, 2, 0).contiguous().numpy(), format="png")
    return file.getvalue()
