"""Which photos get masks, and where these come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from causalogit.config.check import Section


@dataclass(frozen=True)
class MasksConfig(Section):
    """Which photos get masks, and where these come from.

    Args:
        source: folder of photos (CLASS/PHOTO or {train,val,test,meta}/CLASS/PHOTO), a table of
            photos (.csv, .tsv, .parquet), or a folder with a metadata.csv like Waterbirds'.
        origin: where a mask comes from: a file that the source or mask_path names, the photo's own
            transparency, the box that the table names, or a segmenter. "auto" takes, for every
            photo, the first of these that there is.
        mask_path: folder of mask files under the photos' names, for a source that is a folder.
        refine: what is done with a box: nothing, GrabCut inside of it, or the segmenter inside of
            it. A box in which these find nothing stays as it is.
        segmenter: u2netp, u2net, u2net_human_seg, silueta, isnet-general-use or
            birefnet-general-lite (rembg's models); hf:NAME for an image segmentation pipeline of
            Hugging Face, hf:NAME#cat,dog for some of the segments that it names; or the path of an
            .onnx file.
        segmenter_path: file of the segmenter's weights (for hf:NAME, the model's folder), in place
            of its download.
        batch_size: photos that are in memory at once.

    Raises:
        ValueError: a value is out of range.
    """

    source: str
    origin: Literal["auto", "files", "alpha", "boxes", "segmenter"] = "auto"
    mask_path: str | None = None
    refine: Literal["none", "grabcut", "segmenter"] = "grabcut"
    segmenter: str = "u2netp"
    segmenter_path: str | None = None
    batch_size: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}: give at least 1")
        if self.mask_path is not None and self.origin not in ("auto", "files"):
            raise ValueError(
                f"mask_path is given, and origin is '{self.origin}': leave mask_path out, or set "
                "origin to 'files'"
            )
