"""Which photos are on the contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from causalogit.data.masking.items import SHEET, Item
from causalogit.data.sources.files.decode import decode_whole, read_bytes
from causalogit.files import write_atomically
from causalogit.masks.quality import Quality
from causalogit.masks.sheet import MOST_TILES, TILE, Tile, contact_sheet

_MOST_SUSPICIOUS: Final = MOST_TILES * 3 // 4  # some of the others are always beside them


def write_sheet(masks: Sequence[tuple[Item, Quality]], out: Path) -> None:
    """Suspicious masks first, the least sure of them ahead; then others, evenly spaced."""
    suspicious = [own for own in masks if own[1].flags]
    suspicious.sort(key=lambda own: own[1].confidence)
    others = [own for own in masks if not own[1].flags]
    first = suspicious[: max(_MOST_SUSPICIOUS, MOST_TILES - len(others))]
    room = MOST_TILES - len(first)
    count = min(room, len(others))
    rest = [others[place * len(others) // count] for place in range(count)]
    shown = f"{len(first):,} of {len(suspicious):,} suspicious ones" if first else "none suspicious"
    title = f"{len(masks):,} masks: {shown}, then {len(rest):,} of {len(others):,} others"
    sheet = contact_sheet([_tile(*own, out) for own in first + rest], title)
    write_atomically(out / SHEET, lambda file: sheet.save(file, "PNG"))


def _tile(item: Item, quality: Quality, out: Path) -> Tile:
    photo = decode_whole(read_bytes(item.record.image), TILE, item.record.image.name).photo
    with Image.open(out / item.name) as mask:
        return Tile(photo, mask.convert("L"), item.name, quality.flags)
