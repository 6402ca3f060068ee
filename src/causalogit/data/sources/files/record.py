"""What is known of one photo before its file is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from causalogit.data.samples import PARTS

_SPLIT_NAMES = {"val": "validation", "valid": "validation"}

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Record:
    """One photo.

    Attributes:
        where: where it is named, for messages: "photos.csv, row 17".
        image: its file.
        label: name of its class.
        group: name of its spurious attribute (the place, say); None where it is not known.
        mask: file of its object mask.
        box: (x0, y0, x1, y1) around the object, x1 and y1 excluded, in pixels of the upright photo;
            not needed where there is a mask.
        split: "train", "validation", "test" or "meta"; None where the source has no own splits.
        problem: what is wrong with the row itself.
    """

    where: str
    image: Path
    label: str
    group: str | None = None
    mask: Path | None = None
    box: Box | None = None
    split: str | None = None
    problem: str | None = None

    @property
    def masked(self) -> bool:
        """Whether it is known where the object is."""
        return self.mask is not None or self.box is not None

    @property
    def stamp(self) -> tuple[tuple[int, int] | None, ...]:
        """Tells whether its files are still the same: size and time of the photo and of its mask.

        None for a file that is not there.
        """
        return tuple(_size_and_time(file) for file in (self.image, self.mask) if file)


def _size_and_time(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def split_name(text: str) -> str:
    """One of `PARTS` for the usual names of the splits, in any case; other text as it is."""
    name = _SPLIT_NAMES.get(text.lower(), text.lower())
    return name if name in PARTS else text
