"""An inpainter beside the light fills: in figures on held-out backgrounds, and in pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from causalogit.augment import Counterfactual, Fill, Grey, OpenCv, box_masks
from causalogit.augment.inpainters import Contextual, InpaintingNetwork, covering_masks
from causalogit.data import Data
from causalogit.files import write_atomically
from causalogit.inpainting.measure import reconstruction
from causalogit.models import seeded

PICTURES: Final = 8
_SIDE, _GAP, _TEXT = 96, 6, 18
_PAPER, _INK = "#fcfcfa", "#1c2026"


def report_on(inpainter: Contextual, data: Data, seed: int, sheet: Path) -> dict[str, Any]:
    """Compare an inpainter with the mean colour, its own first guess and, if installed, OpenCV.

    Args:
        inpainter: trained on the training images of `data`.
        data: its validation images are held out.
        seed: of the holes.
        sheet: file of the pictures, PNG.

    Returns:
        `{"trained_on": name, "held_out": {fill: {"l1", "psnr", "pixels"}}}`.
    """
    fills: dict[str, Fill] = {"mean colour": Grey(data.mean)}
    if find_spec("cv2"):
        fills["opencv"] = OpenCv(fallback=Grey(data.mean))
    with seeded(seed):  # for weights that say nothing yet
        fills["smooth guess"] = Contextual(InpaintingNetwork(inpainter.network.settings))
    fills["inpainter"] = inpainter
    picture = pictures(fills, data)
    write_atomically(sheet, lambda file: picture.save(file, "PNG"))
    found = {
        name: asdict(reconstruction(fill, data.validation, seed)) for name, fill in fills.items()
    }
    return {"trained_on": data.name, "held_out": found}


def pictures(fills: Mapping[str, Fill], data: Data) -> Image.Image:
    """Validation images of every class, as they are, and without their object by every fill.

    Below each other: by the outline of the object, and by its box.
    """
    split = data.validation
    every = max(1, len(split) // PICTURES)
    batch = split.batch(torch.arange(0, len(split), every)[:PICTURES])
    masks = batch.masks
    assert masks is not None
    rows = {"as it is": batch.images}
    for what, transform in (("outline", covering_masks), ("box", box_masks)):
        for name, fill in fills.items():
            without = Counterfactual(fill, transform)
            draws = torch.Generator().manual_seed(0)
            rows[f"{name}, {what}"] = without(batch.images, masks, batch.labels, draws)
    left, step = 140, _SIDE + _GAP
    sheet = Image.new("RGB", (left + PICTURES * step, _GAP + len(rows) * step), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, (name, images) in enumerate(rows.items()):
        top = _GAP + row * step
        draw.text((_GAP, top + _SIDE // 2 - _TEXT // 2), name, _INK, ImageFont.load_default(13))
        for column, image in enumerate(images):
            sheet.paste(_picture(image), (left + column * step, top))
    return sheet


def _picture(image: Tensor) -> Image.Image:
    scale = _SIDE / max(image.shape[1:])
    size = [max(1, round(side * scale)) for side in image.shape[1:]]
    large = F.interpolate(image[None].expand(-1, 3, -1, -1), size, mode="nearest")[0]
    pixels = (large.clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
