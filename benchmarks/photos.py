"""Memory and time of `causalogit masks` and `causalogit audit`, by the number of photos.

    python -m benchmarks.photos

Photos of 224 px are drawn and written as JPEG, with a box each; GrabCut refines the boxes to masks,
and a small network of timm with random weights is audited by these. Each command is a process of
its own, as a user starts it. Keeps the photos in runs/photos, writes docs/results/photos.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import timm
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from benchmarks.page import Rows, fill_tables, markdown
from benchmarks.study import ROOT
from causalogit.files import write_json, write_text
from causalogit.train.environment import git_revision

PAGE = ROOT / "docs" / "results" / "photos"
SIDE = 224
CLASSES = ("disc", "square")
ARCHITECTURE = "mobilenetv3_small_050"
WATCH = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""
"""Starts a command: what is started by this large process would count its memory as its own."""


def draw_photo(number: int) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """A disc or a square on a soft, noisy background, and the object's box."""
    draws = numpy.random.default_rng(number)
    coarse = draws.integers(0, 256, (7, 7, 3), dtype=numpy.uint8)
    photo = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    left, top = draws.integers(16, 96, 2).tolist()
    width = int(draws.integers(64, 112))
    box = (left, top, left + width, top + width)
    pen = ImageDraw.Draw(photo)
    shape = pen.ellipse if number % 2 == 0 else pen.rectangle
    shape(box, fill=tuple(draws.integers(0, 256, 3).tolist()))
    return photo, box


def written(folder: Path, count: int) -> Path:
    """A table of `count` photos; it is written once all of them are."""
    table = folder / "photos.csv"
    if table.is_file():
        return table
    images = folder / "photos"
    images.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image", "label", "box"))
    for number in range(count):
        photo, box = draw_photo(number)
        file = images / f"{number:06d}.jpg"
        photo.save(file, quality=90)
        writer.writerow((file.relative_to(folder), CLASSES[number % 2], " ".join(map(str, box))))
    write_text(table, text.getvalue())
    return table


def peak(command: Sequence[str]) -> tuple[float, float]:
    """Peak memory of a command, in MB, and its seconds.

    Raises:
        CalledProcessError: it failed.
    """
    started = time.perf_counter()
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([sys.executable, "-S", "-c", WATCH, file.name, *command], check=True)
        memory = int(file.read()) / 1024
    return memory, time.perf_counter() - started


def measure(folder: Path, count: int) -> list[dict[str, Any]]:
    """Both commands on `count` photos."""
    table = written(folder, count)
    weights = folder / "weights.safetensors"
    model = timm.create_model(ARCHITECTURE, num_classes=len(CLASSES))
    save_file(model.state_dict(), weights)
    run = [sys.executable, "-m", "causalogit.cli.main"]
    masks, verdict = folder / "masks", folder / "audit"
    for old in (masks, verdict):  # what is done already would cost nothing
        shutil.rmtree(old, ignore_errors=True)
    commands = {
        "masks": [*run, "masks", "--source", str(table), "--out", str(masks)],
        "audit": [
            *(*run, "audit", str(weights), "--model.architecture", ARCHITECTURE),
            *("--data.source", str(masks / "photos.csv"), "--data.image_size", str(SIDE)),
            *("--out", str(verdict)),
        ],
    }
    rows = []
    for name, command in commands.items():
        memory, seconds = peak(command)
        what = {"command": name, "photos": count}
        cost = {"memory_mb": memory, "seconds": seconds}
        rows.append(what | cost | {"revision": git_revision()})
        print(rows[-1], flush=True)
    return rows


def photos_markdown(rows: Rows) -> str:
    """A line a command and number of photos."""
    lines = [["command", "photos", "memory, MB", "seconds"], ["---"] * 4]
    for row in rows:
        cells = [f"{row['photos']:,}", f"{row['memory_mb']:.0f}", f"{row['seconds']:.0f}"]
        lines.append([f"`causalogit {row['command']}`", *cells])
    return markdown(lines)


def main() -> None:
    """Measure every number of photos and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--out", type=Path, default=Path("runs/photos"))
    options = parser.parse_args()
    rows = [row for n in options.counts for row in measure(options.out / str(n), n)]
    rows.sort(key=lambda row: str(row["command"]))
    write_json(PAGE / "results.json", {"runs": rows})
    fill_tables(PAGE / "README.md", {"photos": photos_markdown(rows)})


if __name__ == "__main__":
    main()
