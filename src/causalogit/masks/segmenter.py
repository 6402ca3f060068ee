"""Networks that find the object of an image, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from torch import Tensor

from causalogit.masks.hub import HubSegmenter
from causalogit.masks.onnx import ONNX_MODELS, OnnxModel, OnnxSegmenter

PREFIX: Final = "hf:"
SUFFIX: Final = ".onnx"


class Segmenter(Protocol):
    """Images in, masks out."""

    def __call__(self, images: Tensor) -> Tensor:
        """Find the objects.

        Args:
            images: `(B, 3, H, W)` in [0, 1].

        Returns:
            Soft masks `(B, 1, H, W)` in [0, 1], 1 on the object.
        """
        ...


class SquareSegmenter(Segmenter, Protocol):
    """A segmenter that looks at squares, whatever it is given.

    Attributes:
        side: of the square, in pixels; images of another size are resized to it, masks back.
    """

    @property
    def side(self) -> int:
        """See above."""
        ...


def find_segmenter(name: str, path: Path | None = None) -> SquareSegmenter:
    """A segmenter by its name.

    Args:
        name: one of `ONNX_MODELS`; "hf:NAME" for an image segmentation pipeline of Hugging Face,
            "hf:NAME#cat,dog" for some of the segments that it names; or the path of an .onnx file.
        path: an .onnx file, or for "hf:NAME" a folder of the model, in place of the download.

    Raises:
        ValueError: there is no such segmenter, a library for it is missing, its weights cannot be
            downloaded, or the path does not hold them.
    """
    if path is not None and not path.exists():
        raise ValueError(f"the segmenter's path {path} does not exist")
    if name.startswith(PREFIX):
        model, _, labels = name.removeprefix(PREFIX).partition("#")
        return HubSegmenter(model, path, tuple(filter(None, labels.split(","))))
    if name in ONNX_MODELS:
        return OnnxSegmenter(ONNX_MODELS[name], path)
    file = Path(name)
    if file.suffix.lower() == SUFFIX and file.is_file():
        return OnnxSegmenter(ONNX_MODELS.get(file.stem, OnnxModel(file.name)), path or file)
    raise ValueError(
        f"segmenter '{name}' is not known: choose among {', '.join(ONNX_MODELS)}, or give hf:NAME "
        f"or the path of an {SUFFIX} file that exists"
    )
