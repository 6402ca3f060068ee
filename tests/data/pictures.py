"""Small cut-outs and scenes, every one different, for sets that are composed in tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from causalogit.data.compose import ComposeConfig

SIZE = 16


def cut_out(draws: np.random.Generator, height: int = 12, width: int = 9) -> Image.Image:
    """A noisy ellipse with a soft edge on a transparent ground."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    pixels = draws.integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[:, :, 3] = np.clip(400 * (1.05 - np.hypot(rows, columns)), 0, 255)
    return Image.fromarray(pixels)


def scene(draws: np.random.Generator, height: int = 20, width: int = 26) -> Image.Image:
    """Noise."""
    return Image.fromarray(draws.integers(0, 256, (height, width, 3), dtype=np.uint8))


def write_pictures(root: Path, objects: dict[str, int], scenes: dict[str, int]) -> None:
    """So many cut-outs of each class in `root/objects`, so many scenes of each in `root/scenes`."""
    draws = np.random.default_rng(0)
    for kind, counts, make in (("objects", objects, cut_out), ("scenes", scenes, scene)):
        for name, count in counts.items():
            (root / kind / name).mkdir(parents=True)
            for index in range(count):
                make(draws).save(root / kind / name / f"{index:03d}.png")


def config_of(root: Path, **changes: object) -> ComposeConfig:
    """Two classes in two places, from `root/objects` and `root/scenes`."""
    config = ComposeConfig(
        str(root / "objects"),
        str(root / "scenes"),
        {"cat": "forest", "dog": "sea"},
        correlation=0.9,
        train=40,
        meta=8,
        validation=8,
        test=12,
        size=SIZE,
    )
    return replace(config, **changes)
