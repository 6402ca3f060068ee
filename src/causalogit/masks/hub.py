"""Image segmentation pipelines of Hugging Face."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy
import torch
from PIL import Image
from torch import Tensor

from causalogit.masks.squares import as_squares, back_to_size

_BACKGROUND: Final = ("background", "__background__", "bg", "unlabeled", "void")
_SIDE: Final = 512


class HubSegmenter:
    """The segments that a pipeline finds, joined to one mask of 0 and 1 an image.

    Args:
        name: of the model; code that comes with a model is never run.
        path: a folder of the model, in place of the download.
        labels: names of the segments that are the object; empty for all but the background. A model
            that names every pixel, sky and grass too, needs them.

    Raises:
        ValueError: transformers is not installed, the model cannot be downloaded or read, or it
            does not know a label.
    """

    def __init__(self, name: str, path: Path | None = None, labels: Sequence[str] = ()) -> None:
        self._pipeline = _pipeline(name, path)
        self._labels = labels
        known: Sequence[str] = list(self._pipeline.model.config.id2label.values())
        unknown = [label for label in labels if label not in known]
        if unknown:
            raise ValueError(
                f"segmenter {name} does not name segments {', '.join(unknown)}: choose among "
                f"{', '.join(known)}"
            )
        size = getattr(self._pipeline.image_processor, "size", None) or {}
        self.side: int = size.get("height") or size.get("shortest_edge") or _SIDE

    def __call__(self, images: Tensor) -> Tensor:
        """Masks `(B, 1, H, W)` of images `(B, 3, H, W)` in [0, 1]."""
        squares = (as_squares(images, self.side) * 255).round().to("cpu", torch.uint8)
        pictures = [Image.fromarray(own.permute(1, 2, 0).numpy()) for own in squares]
        found = self._pipeline(pictures, batch_size=len(pictures))
        masks = torch.stack([self._joined(segments) for segments in found])
        return back_to_size(masks.to(images.device), images)

    def _joined(self, segments: Sequence[Mapping[str, Any]]) -> Tensor:
        """Of the segments of one image, `(1, S, S)`."""
        mask = torch.zeros(1, self.side, self.side)
        for segment in segments:
            label = segment["label"]
            if label in self._labels if self._labels else label.lower() not in _BACKGROUND:
                own = torch.from_numpy(numpy.array(segment["mask"])) > 127
                mask = mask.maximum(own.float()[None])
        return mask


def _pipeline(name: str, path: Path | None) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ValueError(
            f"hf:{name} needs transformers, which is missing: pip install transformers"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of processors that are slower than others
            return transformers.pipeline("image-segmentation", model=str(path or name))
    except Exception as error:  # of the hub, of torch, of transformers
        reason = " ".join(str(error).split())
        what = f"the folder {path}" if path else f"the model {name} of Hugging Face"
        raise ValueError(
            f"{what} cannot be used for image segmentation ({reason}): without a network, give a "
            "folder of the model as the segmenter's path"
        ) from error
