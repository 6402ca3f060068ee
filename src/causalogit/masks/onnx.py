"""The models of rembg, run by onnxruntime.

Sizes, normalisation and the stretch of the output to [0, 1] are rembg's
(https://github.com/danielgatis/rembg, MIT); so are the files, which it publishes with its releases.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from causalogit.masks.download import weights_file
from causalogit.masks.squares import as_squares, back_to_size
from causalogit.onnx_session import need_onnxruntime, open_onnx

Triple = tuple[float, float, float]

_URL: Final = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
_DARKEST: Final = 1e-6
_FLATTEST: Final = (
    1e-3  # an output that varies less shows nothing, and is not stretched to the full
)


@dataclass(frozen=True)
class OnnxModel:
    """What must be known of a model beside its file.

    Attributes:
        file: name of its file in rembg's release.
        md5: of this file.
        side: pixels of a side of its input, where the file leaves it open.
        mean, std: its input is (pixel - mean) / std for every colour.
        logits: whether its output has still to go through a sigmoid.
    """

    file: str
    md5: str = ""
    side: int = 320
    mean: Triple = (0.485, 0.456, 0.406)
    std: Triple = (0.229, 0.224, 0.225)
    logits: bool = False


ONNX_MODELS: Final[dict[str, OnnxModel]] = {
    "u2netp": OnnxModel("u2netp.onnx", "8e83ca70e441ab06c318d82300c84806"),
    "u2net": OnnxModel("u2net.onnx", "60024c5c889badc19c04ad937298a77b"),
    "u2net_human_seg": OnnxModel("u2net_human_seg.onnx", "c09ddc2e0104f800e3e1bb4652583d1f"),
    "silueta": OnnxModel("silueta.onnx", "55e59e0d8062d2f5d013f4725ee84782"),
    "isnet-general-use": OnnxModel(
        "isnet-general-use.onnx",
        "fc16ebd8b0c10d971d3513d564d01e29",
        side=1024,
        mean=(0.5, 0.5, 0.5),
        std=(1.0, 1.0, 1.0),
    ),
    "birefnet-general-lite": OnnxModel(
        "BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",
        "4fab47adc4ff364be1713e97b7e66334",
        side=1024,
        logits=True,
    ),
}


class OnnxSegmenter:
    """One of rembg's models, or one that is used alike.

    Args:
        model: what must be known of it.
        path: its file, in place of the download.

    Raises:
        ValueError: onnxruntime is not installed, the download did not work, or the file does not
            hold a model that takes images and gives masks.
    """

    def __init__(self, model: OnnxModel, path: Path | None = None) -> None:
        self.model = model
        need_onnxruntime(model.file, "masks")  # before megabytes are downloaded
        file = path or weights_file(_URL + model.file, model.md5)
        self._session = open_onnx(file, "masks")
        batch, *shape = self._session.get_inputs()[0].shape
        output = self._session.get_outputs()[0].shape
        if len(shape) != 3 or shape[0] not in (3, "3") or len(output) != 4:
            raise ValueError(
                f"{file} takes {[batch, *shape]} and gives {output}: give a model that takes "
                "images (B, 3, H, W) and gives masks (B, 1, H, W)"
            )
        self._at_once = isinstance(batch, str) or batch is None
        self.side: int = shape[1] if isinstance(shape[1], int) else model.side

    def __call__(self, images: Tensor) -> Tensor:
        """Soft masks `(B, 1, H, W)` of images `(B, 3, H, W)` in [0, 1].

        Every mask is stretched to [0, 1], as rembg does it: some pixel is nearly always 1, even
        where the image shows no object; its confidence is low then.
        """
        squares = as_squares(images, self.side).float()
        brightest = squares.amax((1, 2, 3), keepdim=True).clamp_min(_DARKEST)
        mean, std = (
            squares.new_tensor(v)[:, None, None] for v in (self.model.mean, self.model.std)
        )
        given = (squares / brightest - mean) / std
        parts = [given] if self._at_once else given.split(1)
        masks = torch.cat([self._run(part) for part in parts]).to(images.device)
        if self.model.logits:
            masks = masks.sigmoid()
        low, high = (edge((1, 2, 3), keepdim=True) for edge in (masks.amin, masks.amax))
        return back_to_size((masks - low) / (high - low).clamp_min(_FLATTEST), images)

    def _run(self, images: Tensor) -> Tensor:
        name = self._session.get_inputs()[0].name
        output = self._session.run(None, {name: images.cpu().numpy()})[0]
        return torch.from_numpy(output[:, :1]).float()
