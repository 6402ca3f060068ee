"""Fills that are too slow to be made twice: every image is painted once, and kept as a PNG file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import Tensor

from causalogit.augment.inpainters.holes import holes_of
from causalogit.augment.inpainters.lama import Paint
from causalogit.files import write_atomically


@dataclass(frozen=True, eq=False)
class Kept:
    """What a painter makes of every image and its mask, at 8 bits, looked up where it is known.

    Files are named by a digest of the pixels, the hole and `identity`, so runs of other seeds and
    methods find them too, and a stopped run has lost nothing. An image that is cropped anew
    whenever it is drawn would be painted anew every time: give images as they are.

    Attributes:
        paint: makes the images; grey ones are painted in colour, and their mean counts.
        identity: of the painter, such as a digest of its file and its prompt.
        folder: of the PNG files.
        at_once: images that are painted together.
    """

    paint: Paint
    identity: str
    folder: Path
    at_once: int = 8

    @torch.no_grad()
    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images in [0, 1]; see `Fill`. Nothing is drawn from the generator."""
        holes = holes_of(images, masks)
        pixels = (images.float().clamp(0, 1) * 255).round().to(torch.uint8)
        files = [
            self.folder / f"{self._digest(image, hole)}.png"
            for image, hole in zip(pixels.cpu(), holes.to("cpu", torch.uint8), strict=True)
        ]
        missing = [place for place, file in enumerate(files) if not file.is_file()]
        for some in torch.tensor(missing, dtype=torch.long).split(self.at_once):
            if len(some):
                own = some.to(images.device)
                painted = self._painted(pixels[own].float() / 255, holes[own])
                for place, picture in zip(some.tolist(), painted, strict=True):
                    _write(files[place], picture)
        found = torch.stack([_read(file, images.shape[1]) for file in files]).to(images.device)
        return torch.where(holes == 1, found, images.float()).to(images.dtype)

    def _painted(self, images: Tensor, holes: Tensor) -> Tensor:
        """Pictures `(B, K, H, W)`, 8 bits."""
        painted = self.paint(images.expand(-1, 3, -1, -1), holes)
        if images.shape[1] == 1:
            painted = painted.mean(1, keepdim=True)
        painted = torch.where(holes == 1, painted.clamp(0, 1), images)
        return (painted * 255).round().to("cpu", torch.uint8)

    def _digest(self, image: Tensor, hole: Tensor) -> str:
        digest = hashlib.blake2b(self.identity.encode(), digest_size=16)
        digest.update(str(tuple(image.shape)).encode())
        for values in (image, hole):
            digest.update(values.contiguous().numpy().tobytes())
        return digest.hexdigest()


def _write(path: Path, picture: Tensor) -> None:
    values = numpy.ascontiguousarray(picture.permute(1, 2, 0).squeeze(2).numpy())
    write_atomically(path, lambda file: Image.fromarray(values).save(file, "PNG"))


def _read(path: Path, channels: int) -> Tensor:
    """A picture `(K, H, W)` in [0, 1]."""
    try:
        with Image.open(path) as picture:
            values = numpy.array(picture.convert("L" if channels == 1 else "RGB"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error}): delete it, it is made anew") from error
    return torch.from_numpy(values).view(*values.shape[:2], channels).permute(2, 0, 1).float() / 255
