"""What is on a contact sheet."""

from __future__ import annotations

import numpy as np
from PIL import Image

from causalogit.masks.sheet import COLUMNS, TILE, Tile, contact_sheet

PINK, ORANGE = (255, 47, 160), (184, 80, 15)


def tile(flags: tuple[str, ...] = (), size: tuple[int, int] = (60, 40)) -> Tile:
    mask = Image.new("L", size)
    mask.paste(255, (15, 10, 45, 30))
    return Tile(Image.new("RGB", size, (200, 180, 20)), mask, "a/very/long/name/of/photo", flags)


def count(sheet: Image.Image, colour: tuple[int, int, int]) -> int:
    return int((np.asarray(sheet) == colour).all(2).sum())


def test_objects_are_outlined_and_the_rest_is_dimmed():
    sheet = contact_sheet([tile()], "one")
    assert sheet.mode == "RGB"
    pixels = np.asarray(sheet)
    outline = np.argwhere((pixels == PINK).all(2))
    height, width = np.ptp(outline, axis=0) + 1
    assert abs(height - TILE / 3) <= 2
    assert abs(width - TILE / 2) <= 2
    middle = outline.mean(0).astype(int)
    assert tuple(pixels[tuple(middle)]) == (200, 180, 20)
    left = pixels[middle[0], outline[:, 1].min() - 10].astype(int)
    assert left[0] == left[1] == left[2] < 100  # grey and darker
    assert count(sheet, ORANGE) == 0


def test_suspicious_ones_are_framed():
    one, two = (contact_sheet([tile(("unsure",))] * n + [tile()], "two") for n in (1, 2))
    assert count(one, ORANGE) > 4 * TILE
    assert abs(count(two, ORANGE) - 2 * count(one, ORANGE)) < 10


def test_rows_and_columns():
    few = contact_sheet([tile()] * COLUMNS, "a row")
    more = contact_sheet([tile(size=(40, 60))] * (COLUMNS + 1), "two rows")
    assert more.width == few.width
    assert TILE < more.height - few.height < 2 * TILE
    assert contact_sheet([], "nothing").height > 0
