"""LaMa (Suvorov et al., WACV 2022, arXiv 2109.07161), and whatever is used alike, as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.onnx_session import open_onnx

Paint = Callable[[Tensor, Tensor], Tensor]
"""Images `(B, 3, H, W)` in [0, 1] and holes `(B, 1, H, W)` of 0 and 1 in, painted images out."""

_MULTIPLE: Final = 8


def read_lama(path: Path, *, trust: bool = False) -> Paint:
    """A painter from a file: an image and its holes in, the whole image out, of the same range.

    Outputs in [0, 255], as some files give them, are told by what becomes of a grey image.

    Args:
        path: .onnx, whose graph is data; or .pt of TorchScript, to read which may run code.
        trust: read TorchScript.

    Raises:
        ValueError: there is no such file, a library for it is missing, it is not trusted, or it
            does not take an image and a mask.
    """
    if not path.is_file():
        raise ValueError(f"inpainter {path}: there is no such file")
    raw, side = _onnx(path) if path.suffix == ".onnx" else (_script(path, trust), None)
    grey = torch.full((1, 3, side or 64, side or 64), 0.5)
    hole = torch.zeros_like(grey[:, :1])
    hole[..., : hole.shape[-1] // 4, : hole.shape[-1] // 4] = 1
    try:
        answer = raw(grey, hole)
    except Exception as error:  # of onnxruntime, or of a script
        raise ValueError(
            f"{path} cannot be used ({_one_line(error)}): give a model that takes images "
            "(B, 3, H, W) in [0, 1] and masks (B, 1, H, W), 1 in the holes"
        ) from error
    if answer.shape != grey.shape:
        raise ValueError(f"{path} makes {tuple(answer.shape)} of an image {tuple(grey.shape)}")
    scale = 255 if answer.mean() > 2 else 1

    def paint(images: Tensor, holes: Tensor) -> Tensor:
        if side is not None:
            squares, covered = resized(images, holes, side)
            painted = torch.cat(
                [raw(*pair) for pair in zip(squares.split(1), covered.split(1), strict=True)]
            )
            return back_to(painted / scale, images)
        height, width = images.shape[2:]
        edge = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
        images, holes = (F.pad(values, edge, mode="replicate") for values in (images, holes))
        return raw(images, holes)[..., :height, :width] / scale

    return paint


def resized(images: Tensor, holes: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Both as squares; a pixel that touches a hole is one."""
    size = (side, side)
    squares = F.interpolate(images, size, mode="bilinear", antialias=True).clamp(0, 1)
    covered = F.interpolate(holes, size, mode="bilinear", antialias=True) > 0
    return squares, covered.to(holes)


def back_to(painted: Tensor, images: Tensor) -> Tensor:
    """Painted squares in the size of the images."""
    return F.interpolate(painted, images.shape[2:], mode="bilinear", antialias=True)


def _onnx(path: Path) -> tuple[Paint, int | None]:
    session = open_onnx(path, "onnx")
    inputs = session.get_inputs()
    shapes = {len(i.shape) == 4 and i.shape[1]: i for i in inputs}
    if len(inputs) != 2 or set(shapes) != {1, 3}:
        found = ", ".join(f"{i.name} {i.shape}" for i in inputs)
        raise ValueError(
            f"{path} takes {found}: give a model of two inputs, images (B, 3, H, W) and masks "
            "(B, 1, H, W)"
        )
    image, mask = shapes[3], shapes[1]
    side = image.shape[2] if isinstance(image.shape[2], int) else None

    def paint(images: Tensor, holes: Tensor) -> Tensor:
        given: dict[str, Any] = {image.name: images.cpu().numpy(), mask.name: holes.cpu().numpy()}
        return torch.from_numpy(session.run(None, given)[0]).float().to(images.device)

    return paint, side


def _script(path: Path, trust: bool) -> Paint:
    if not trust:
        raise ValueError(
            f"{path} is TorchScript, and to read it may run code that is in it: set "
            "clp.inpainter.trust to true if you know where it comes from, or give an .onnx file"
        )
    try:
        script = torch.jit.load(str(path), map_location="cpu").eval()
    except Exception as error:  # of the archive, or of an operator
        raise ValueError(f"{path} is no TorchScript ({_one_line(error)})") from error

    @torch.no_grad()
    def paint(images: Tensor, holes: Tensor) -> Tensor:
        painted: Tensor = script.to(images.device)(images, holes)
        return painted

    return paint


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
