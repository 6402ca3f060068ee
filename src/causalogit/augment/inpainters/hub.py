"""Inpainting pipelines of Hugging Face's diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy
import torch
from PIL import Image
from torch import Tensor

from causalogit.augment.inpainters.lama import Paint, back_to, resized

PROMPT: Final = "background, empty scene, nobody, nothing"
SIDE: Final = 512
"""Pixels of a side that such pipelines were trained on, mostly."""


def load_pipeline(name: str, path: Path | None = None) -> Any:
    """The pipeline, on the GPU where there is one; code that comes with a model is never run.

    Args:
        name: of the model.
        path: a folder of it, in place of the download.

    Raises:
        ValueError: diffusers is not installed, or the model cannot be had or does not inpaint.
    """
    try:
        import diffusers
    except ImportError as error:
        raise ValueError(
            f"hf:{name} needs diffusers, which is missing: pip install 'causalogit[diffusers]'"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        pipeline = diffusers.AutoPipelineForInpainting.from_pretrained(
            str(path or name),
            torch_dtype=torch.float16 if device == "cuda" else torch.float32,
            trust_remote_code=False,
        )
    except Exception as error:  # of the hub, of torch, of diffusers
        reason = " ".join(str(error).split())[:300]
        what = f"the folder {path}" if path else f"the model {name} of Hugging Face"
        raise ValueError(
            f"{what} cannot be used for inpainting ({reason}): without a network, give a folder "
            "of the model as clp.inpainter.path"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def painter(pipeline: Any, prompt: str = PROMPT) -> Paint:
    """A pipeline as `Paint`: one image at a time, so that none hangs on others beside it.

    Args:
        pipeline: called as diffusers' inpainting pipelines are; images are squares of 512 pixels,
            holes white.
        prompt: what it is told to paint.
    """

    def paint(images: Tensor, holes: Tensor) -> Tensor:
        squares, covered = resized(images, holes, SIDE)
        found = [
            pipeline(
                prompt=prompt,
                image=_picture(image),
                mask_image=_picture(hole.expand(3, -1, -1)),
                height=SIDE,
                width=SIDE,
                generator=torch.Generator().manual_seed(0),
            ).images[0]
            for image, hole in zip(squares, covered, strict=True)
        ]
        painted = torch.stack(
            [torch.from_numpy(numpy.array(one.convert("RGB"))).permute(2, 0, 1) for one in found]
        )
        return back_to(painted.to(images.device).float() / 255, images)

    return paint


def _picture(image: Tensor) -> Image.Image:
    pixels = (image * 255).round().to("cpu", torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())
