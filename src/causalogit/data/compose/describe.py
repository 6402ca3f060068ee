"""What a composed set says about itself: a table for programs, a page for people."""

from __future__ import annotations

import csv
import io
import platform
from dataclasses import asdict
from importlib.metadata import version

import yaml

from causalogit.data.compose.config import SPLITS, ComposeConfig
from causalogit.data.compose.plan import Plan

COLUMNS = (
    "img_id", "img_filename", "y", "split", "place", "place_filename",
    "mask_filename", "label_name", "place_name", "foreground_filename",
)  # fmt: skip
"""Of metadata.csv; the first six are those of Waterbirds in WILDS."""


def image_file(index: int) -> str:
    """Path of an image within the set."""
    return f"images/{index:06d}.png"


def mask_file(index: int) -> str:
    """Path of the same image's mask within the set."""
    return f"masks/{index:06d}.png"


def metadata(plan: Plan) -> str:
    """The content of metadata.csv.

    `place_filename` and `foreground_filename` are relative to the folders that were given.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for index, made in enumerate(plan.composites):
        writer.writerow(
            (
                index,
                image_file(index),
                made.label,
                SPLITS.index(made.split),
                made.place,
                f"{made.scene.parent.name}/{made.scene.name}",
                mask_file(index),
                plan.classes[made.label],
                plan.places[made.place],
                f"{made.cut_out.parent.name}/{made.cut_out.name}",
            )
        )
    return text.getvalue()


def config_file(config: ComposeConfig) -> str:
    """The content of compose.yaml; `causalogit data compose --config` reads it."""
    content = asdict(config) | {"pairs": [f"{name}={at}" for name, at in config.pairs.items()]}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def describe(config: ComposeConfig, plan: Plan) -> str:
    """The content of README.txt: groups of every split, use of the scenes, files, versions."""
    return "\n".join(
        [
            f"{len(plan.composites)} images of {config.size} x {config.size} pixels, "
            f"correlation {config.correlation:g}, seed {config.seed}",
            "",
            *_group_table(plan),
            "",
            "Every cut-out is used once at most. No cut-out and no scene is in two splits.",
            *_scene_lines(plan),
            f"Files left out as copies of another one: {plan.copies}.",
            "",
            *_FILES,
            "",
            "Made with " + ", ".join(f"{name} {number}" for name, number in _versions().items()),
            "",
        ]
    )


_FILES = (
    "metadata.csv   one row an image; y and place are numbers, split is "
    + ", ".join(f"{number} {name}" for number, name in enumerate(SPLITS)),
    "images/        8-bit RGB",
    "masks/         8-bit grey: the object's opacity, 0 to 255, at its place in the image",
    "compose.yaml   makes this set again: causalogit data compose --config compose.yaml --out DIR",
)


def _group_table(plan: Plan) -> list[str]:
    sizes = {split: plan.group_sizes(split) for split in SPLITS}
    rows: list[tuple[str, ...]] = [("class", "place", *SPLITS)]
    for label, name in enumerate(plan.classes):
        for place, where in enumerate(plan.places):
            rows.append((name, where, *(str(sizes[split][label, place]) for split in SPLITS)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _scene_lines(plan: Plan) -> list[str]:
    lines = []
    for place, name in enumerate(plan.places):
        parts = []
        for split in SPLITS:
            images = sum(n for (_, p), n in plan.group_sizes(split).items() if p == place)
            scenes = plan.scenes[split, place]
            parts.append(f"{split} {images} on {scenes} (each up to {-(-images // scenes)} x)")
        lines.append(f"Images on scenes of {name}: {', '.join(parts)}.")
    return lines


def _versions() -> dict[str, str]:
    names = ("causalogit", "numpy", "pillow")
    return {name: version(name) for name in names} | {"python": platform.python_version()}
