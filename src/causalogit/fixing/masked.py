"""Masks of the photos: those that there are, or those that a segmenter makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from causalogit.config import DataConfig
from causalogit.data import Data
from causalogit.data.masking import MasksConfig, make_masks
from causalogit.data.sources import find_source

_REMEDIES = (
    "give a folder of them (data.mask_path), a table with the column mask or box, or a segmenter "
    "that finds the objects, such as --segmenter u2netp (pip install 'causalogit[masks]')"
)


@dataclass(frozen=True)
class Masks:
    """Where the masks come from.

    Attributes:
        made: how many a segmenter was asked for, or that were read beside its own; 0 where the
            data had all.
        unfound: photos in which it found no object.
        segmenter: its name; None where the data had all masks.
    """

    made: int = 0
    unfound: int = 0
    segmenter: str | None = None


def masked_everywhere(data: Data) -> bool:
    """Whether all photos that are trained on or measured have masks."""
    return all(split.has_masks for split in (data.train, data.meta, data.test))


def require_test_masks(data: Data) -> None:
    """Refuse data that cannot be measured.

    Raises:
        ValueError: the test photos have no masks.
    """
    if not data.test.has_masks:
        raise ValueError(f"the test photos have no masks: {_REMEDIES}")


def make(
    data: DataConfig,
    segmenter: str,
    segmenter_path: str | None,
    out: Path,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> tuple[DataConfig, Masks]:
    """Masks for all photos of a source, as `causalogit masks` makes them, and kept like its own.

    Args:
        data: the source.
        segmenter: its name.
        segmenter_path: file of its weights.
        out: folder of the masks; those that are there are not made again.
        on_progress: told how far it is.

    Raises:
        ValueError: the source holds no files, or photos or the segmenter cannot be used.
    """
    source = find_source(data.source)
    place = data.path if data.path is not None and source.masked_by_path else data.source
    if not Path(place).exists():
        raise ValueError(
            f"{data.source} has no files that a segmenter could make masks for: give a folder of "
            "photos or a table"
        )
    config = MasksConfig(
        place, mask_path=data.mask_path, segmenter=segmenter, segmenter_path=segmenter_path
    )
    report = make_masks(config, out, on_progress)
    masks = Masks(len(report.rows), report.unfound, segmenter)
    if report.table is not None:
        return replace(data, source=str(report.table)), masks
    return replace(data, mask_path=str(out)), masks
