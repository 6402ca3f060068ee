"""Cut-outs and scenes, every one of them read and checked before anything is composed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from causalogit.data.compose.config import ComposeConfig

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MOST_PROBLEMS = 100
"""Problems that one message lists; of the others it gives the number."""

OnProgress = Callable[[str, int, int], None]
"""Called with what is done, how much of it is done, and how much there is to do."""


@dataclass
class Inputs:
    """Readable cut-outs of each class and scenes of each place, in the order of their numbers.

    Attributes:
        cut_outs: files of each class.
        scenes: files of each place.
        copies: files left out, since an earlier one of the folder has the same pixels.
        problems: one sentence for each file or folder that cannot be used.
    """

    cut_outs: dict[str, list[Path]] = field(default_factory=dict)
    scenes: dict[str, list[Path]] = field(default_factory=dict)
    copies: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_inputs(config: ComposeConfig, on_progress: OnProgress | None = None) -> Inputs:
    """Find and read every cut-out and every scene.

    Two files with the same pixels are one: the first by name is kept, so that no picture gets into
    two splits under two names. Copies that were scaled or encoded anew are not recognised.

    Raises:
        ValueError: something cannot be used; the message lists all of it, each with its file.
    """
    inputs = Inputs()
    classes = list(config.pairs)
    paired = list(dict.fromkeys(config.pairs.values()))
    places = paired + [name for name in _folders(Path(config.backgrounds)) if name not in paired]
    objects = _listed(Path(config.foregrounds), classes, "class", inputs.problems)
    scenes = _listed(Path(config.backgrounds), places, "place", inputs.problems)
    first: dict[str, Path] = {}
    for done, file in enumerate(objects + scenes, 1):
        _read_one(file, done <= len(objects), first, inputs)
        if on_progress:
            on_progress("reading", done, len(objects) + len(scenes))
    raise_problems(inputs.problems)
    inputs.cut_outs = {name: inputs.cut_outs[name] for name in classes}
    inputs.scenes = {name: inputs.scenes[name] for name in places}
    return inputs


def raise_problems(problems: Sequence[str]) -> None:
    """Raise one ValueError that lists all problems, if there are any."""
    if not problems:
        return
    if len(problems) == 1:
        raise ValueError(f"nothing was composed: {problems[0]}")
    listed = list(problems[:MOST_PROBLEMS])
    if len(problems) > MOST_PROBLEMS:
        listed.append(f"and {len(problems) - MOST_PROBLEMS} more")
    raise ValueError("nothing was composed:\n" + "\n".join(f"  {line}" for line in listed))


def open_cut_out(file: Path) -> Image.Image:
    """A cut-out, cropped to everything that is not fully transparent: `RGBA`.

    Raises:
        ValueError: it has no transparency, nothing in it is visible, or all of it is opaque.
    """
    image = _open(file)
    if not image.has_transparency_data:
        raise ValueError("it has no transparency: save the object alone, as PNG or WebP with alpha")
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    values = np.asarray(alpha)
    if values.max() < 128:
        raise ValueError("its alpha is empty: no pixel of it is at least half opaque")
    if values.min() == 255:
        raise ValueError("its alpha is opaque everywhere: no object was cut out")
    return image.crop(alpha.getbbox())


def open_scene(file: Path) -> Image.Image:
    """A scene: `RGB`.

    Raises:
        ValueError: its pixels have more than 8 bits.
    """
    return _open(file).convert("RGB")


def _open(file: Path) -> Image.Image:
    with Image.open(file) as image:
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"its pixels are of kind {image.mode}: save it with 8 bits a channel")
        return ImageOps.exif_transpose(image)  # reads the whole file


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _listed(root: Path, names: Sequence[str], kind: str, problems: list[str]) -> list[Path]:
    there = _folders(root)
    files: list[Path] = []
    if not root.is_dir():
        problems.append(f"{root}: no such folder")
        return []
    for name in names:
        own = sorted(
            p
            for p in (root / name).glob("*")
            if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
        )
        if name not in there:
            problems.append(f"{root}: no folder for {kind} '{name}' of pairs; there are {there}")
        elif not own:
            problems.append(f"{root / name}: no images in it")
        files += own
    return files


def _read_one(file: Path, is_cut_out: bool, first: dict[str, Path], inputs: Inputs) -> None:
    try:
        image = open_cut_out(file) if is_cut_out else open_scene(file)
    except Exception as error:  # decoders of broken files raise whatever they like
        reason = str(error) if isinstance(error, ValueError) else f"it cannot be read: {error}"
        inputs.problems.append(f"{file}: {reason}")
        return
    key = sha256(f"{image.mode}{image.size}".encode() + np.asarray(image).tobytes()).hexdigest()
    earlier = first.setdefault(key, file)
    folders = inputs.cut_outs if is_cut_out else inputs.scenes
    if earlier == file:
        folders.setdefault(file.parent.name, []).append(file)
    elif earlier.parent == file.parent:
        inputs.copies.append(file)
    else:
        inputs.problems.append(f"{file}: it has the pixels of {earlier}: keep one of them")
