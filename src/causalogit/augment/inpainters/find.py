"""Inpainters by name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from causalogit.augment.fills import Fill
from causalogit.augment.inpainters.contextual import read_inpainter
from causalogit.augment.inpainters.hub import PROMPT, load_pipeline, painter
from causalogit.augment.inpainters.kept import Kept
from causalogit.augment.inpainters.lama import Paint, read_lama

PREFIX: Final = "hf:"
OURS: Final = ".safetensors"
OTHERS: Final = (".onnx", ".pt")


def is_slow(name: str) -> bool:
    """Whether an inpainter of this name is too slow to be asked at every step."""
    return not name.endswith(OURS)


def find_inpainter(
    name: str,
    *,
    path: Path | None = None,
    prompt: str = PROMPT,
    trust: bool = False,
    kept: Path = Path("runs/painted"),
) -> Fill:
    """The fill of an inpainter.

    Args:
        name: a .safetensors file of `causalogit inpainter train`; LaMa as an .onnx file or as
            TorchScript (.pt); or "hf:NAME" for an inpainting pipeline of diffusers.
        path: for "hf:NAME" a folder of the model, in place of the download.
        prompt: for "hf:NAME", what it is told to paint.
        trust: read TorchScript, which may run code.
        kept: folder where images of a slow inpainter (all but our own) are kept.

    Raises:
        ValueError: there is no such inpainter, a library for it is missing, or it cannot be read.
    """
    paint: Paint
    if name.startswith(PREFIX):
        model = name.removeprefix(PREFIX)
        if path is not None and not path.is_dir():
            raise ValueError(f"the inpainter's path {path} is no folder")
        paint = painter(load_pipeline(model, path), prompt)
        return Kept(paint, f"{name} {path or ''} {prompt}", kept)
    file = Path(name)
    if file.suffix == OURS:
        return read_inpainter(file)
    if file.suffix in OTHERS:
        paint = read_lama(file, trust=trust)
        with file.open("rb") as content:
            return Kept(paint, hashlib.file_digest(content, "blake2b").hexdigest(), kept)
    raise ValueError(
        f"inpainter '{name}' is not known: give a {OURS} file of `causalogit inpainter train`, an "
        f"{OTHERS[0]} or {OTHERS[1]} file of LaMa, or hf:NAME"
    )
