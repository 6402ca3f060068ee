"""A contact sheet: many small photos with the outlines of their masks, to glance over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

TILE: Final = 128
"""Pixels of a side of every photo."""
COLUMNS: Final = 8
MOST_TILES: Final = 80

_GAP, _TEXT, _HEAD = 10, 32, 44
_PAPER, _INK, _MUTED, _WARNING, _OUTLINE = "#fcfcfa", "#1c2026", "#5c6570", "#b8500f", "#ff2fa0"
_DIMMED = 0.45  # how much of the background's light is left


@dataclass(frozen=True)
class Tile:
    """One photo of the sheet.

    Attributes:
        photo: RGB.
        mask: 8-bit grey; of any size, but of the photo's shape.
        name: what is written below it.
        flags: what is suspicious of it.
    """

    photo: Image.Image
    mask: Image.Image
    name: str
    flags: Sequence[str] = ()


def contact_sheet(tiles: Sequence[Tile], title: str) -> Image.Image:
    """One RGB picture of all tiles, in rows, with the background of each photo dimmed."""
    rows = max(1, -(-len(tiles) // COLUMNS))
    columns = min(COLUMNS, max(4, len(tiles)))
    width, height = TILE + _GAP, TILE + _TEXT + _GAP
    sheet = Image.new("RGB", (_GAP + columns * width, _HEAD + rows * height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 13), title, _INK, ImageFont.load_default(16))
    for index, tile in enumerate(tiles):
        row, column = divmod(index, COLUMNS)
        left, top = _GAP + column * width, _HEAD + row * height
        picture = _outlined(tile)
        sheet.paste(
            picture, (left + (TILE - picture.width) // 2, top + (TILE - picture.height) // 2)
        )
        colour = _WARNING if tile.flags else _MUTED
        if tile.flags:
            draw.rectangle((left - 3, top - 3, left + TILE + 2, top + TILE + 2), None, _WARNING, 2)
        for line, text in enumerate((tile.name, ", ".join(tile.flags))):
            font = ImageFont.load_default(11)
            draw.text((left, top + TILE + 4 + 13 * line), _shortened(text, font), colour, font)
    return sheet


def _outlined(tile: Tile) -> Image.Image:
    scale = TILE / max(tile.photo.size)
    size = (max(1, round(tile.photo.width * scale)), max(1, round(tile.photo.height * scale)))
    photo = tile.photo.resize(size, Image.Resampling.BILINEAR)
    soft = tile.mask.resize(size, Image.Resampling.BILINEAR)
    dimmed = Image.blend(Image.new("RGB", size), photo.convert("L").convert("RGB"), _DIMMED)
    picture = Image.composite(photo, dimmed, soft)
    on = soft.point([0] * 128 + [255] * 128)
    # one pixel around the object; around all of the photo where the object is all of it
    edge = ImageChops.subtract(on, on.filter(ImageFilter.MinFilter(3)))
    picture.paste(_OUTLINE, mask=edge)
    return picture


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The end of a text that is too long for its tile: what tells names apart stands there."""
    short = text
    while font.getlength(short) > TILE and len(short) > 2:
        short = f"…{short[2:]}"
    return short
