"""From a plan to a folder, whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

from PIL import Image

from causalogit.data.compose.config import ComposeConfig
from causalogit.data.compose.describe import (
    config_file,
    describe,
    image_file,
    mask_file,
    metadata,
)
from causalogit.data.compose.inputs import OnProgress, open_cut_out, open_scene, read_inputs
from causalogit.data.compose.paste import paste
from causalogit.data.compose.plan import Plan, make_plan
from causalogit.files import LOCK, alone_in, require_vacant

CONTENT = ("images", "masks")
"""Folders of a set."""


def compose(config: ComposeConfig, out: Path, on_progress: OnProgress | None = None) -> Path:
    """Compose a data set with masks, in the form that WILDS gives Waterbirds.

    `out` gets `metadata.csv`, `images/`, `masks/`, `compose.yaml` and `README.txt`. Everything is
    read and checked first; the set is written beside `out` and renamed at the end, so that `out` is
    complete or does not exist. Same config, same inputs and same versions: same bytes.

    Args:
        config: what to compose.
        out: a folder that does not exist, or is empty.
        on_progress: called with "reading" or "composing", files done, files in all.

    Returns:
        `out`.

    Raises:
        ValueError: `out` is not empty or the working directory, an input cannot be used, or there
            are too few of them.
    """
    target = out.resolve()
    require_vacant(target)
    if target == Path.cwd():
        raise ValueError(f"{out} is the folder that you are in, which would be replaced: name one")
    plan = make_plan(config, read_inputs(config, on_progress))
    temporary = target.with_name(f".{target.name}.unfinished")
    with alone_in(temporary, "composing"):
        try:
            require_vacant(target)  # another process may have composed it since
            for name in CONTENT:  # of a process that was killed
                shutil.rmtree(temporary / name, ignore_errors=True)
            _write(config, plan, temporary, on_progress)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        (target / LOCK).unlink()
    return out


def _write(config: ComposeConfig, plan: Plan, folder: Path, on_progress: OnProgress | None) -> None:
    for name in CONTENT:
        (folder / name).mkdir(parents=True)
    texts = {
        "metadata.csv": metadata(plan),
        "compose.yaml": config_file(config),
        "README.txt": describe(config, plan),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for index, made in enumerate(plan.composites):
        image, mask = paste(
            open_cut_out(made.cut_out),
            open_scene(made.scene),
            config.size,
            (config.min_scale, config.max_scale),
            Random(f"{config.seed} image {index}"),
        )
        # photos hardly shrink at higher levels, which take up to four times as long
        Image.fromarray(image).save(folder / image_file(index), compress_level=1)
        Image.fromarray(mask).save(folder / mask_file(index), compress_level=1)
        if on_progress:
            on_progress("composing", index + 1, len(plan.composites))
