"""What takes the object out: how much of its label stays readable, and how good the background is.

    python -m benchmarks.fills
    python -m benchmarks.fills --path FASHION

Digits on textured scenes that say nothing of the label; with FASHION, a folder of Fashion-MNIST's
idx files, wear on such scenes as well. For every seed an inpainter is trained on the training
images, every fill takes the objects out of all images, and a small network tries to read the label
from what is left. Keeps its inpainters and figures in runs/fills (a stopped study goes on), writes
docs/results/fills.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Adam

from benchmarks.page import Rows, write_page
from benchmarks.study import ROOT
from causalogit.augment import Counterfactual, Fill, box_masks, find_inpainter, make_fill
from causalogit.cli.progress import run_bars
from causalogit.cli.tables import spread
from causalogit.config import AttributeConfig, DataConfig
from causalogit.data import Data, Split, build_data
from causalogit.files import write_json
from causalogit.inpainting import InpaintingConfig, reconstruction, train_inpainter
from causalogit.models import build_model
from causalogit.presets import load_preset
from causalogit.train.environment import git_revision

PAGE = ROOT / "docs" / "results" / "fills"
FILLS = ("grey", "random", "shuffle", "tile", "opencv", "inpainter")
WHOLE, MASK = "the image as it is", "its mask alone"
"""What is read for comparison: all there is, and all that an outline can say."""
STEPS, WIDTH = 300, 8
EPOCHS, BATCH = 6, 64


def setting(name: str, path: str | None) -> DataConfig:
    """Images whose background says nothing of their label."""
    if name == "digits":
        return DataConfig(attribute=AttributeConfig(kind="scene", correlation=0.2))
    wear = load_preset("wear-on-scenes-small").data
    return replace(wear, path=path, attribute=replace(wear.attribute, correlation=0.5))


def without_object(split: Split, fill: Fill | None, what: str, seed: int) -> Tensor:
    """All images of a split as the network sees them, `(N, K, H, W)`.

    Args:
        split: N images with masks.
        fill: takes the object's place; None for images as they are, or for their masks.
        what: "outline" or "box", or `MASK` or `WHOLE` followed by either.
        seed: of the fill's draws.
    """
    draws = torch.Generator().manual_seed(seed)
    transform = box_masks if what.endswith("box") else None
    parts = []
    for places in torch.arange(len(split)).split(256):
        batch = split.batch(places)
        assert batch.masks is not None
        if fill is not None:
            made = Counterfactual(fill, transform)
            parts.append(made(batch.images, batch.masks, batch.labels, draws))
        elif what.startswith(MASK):
            masks = (batch.masks > 0).float()
            masks = masks if transform is None else transform(masks)
            parts.append(masks.expand_as(batch.images))
        else:
            parts.append(batch.images)
    return torch.cat(parts)


def read(data: Data, train: Tensor, test: Tensor, seed: int) -> float:
    """Balanced accuracy with which a small network reads held-out labels from such images."""
    network = build_model("cnn", data.num_classes, data.channels, seed)
    optimizer = Adam(network.parameters(), 1e-3)
    draws = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        for places in torch.randperm(len(train), generator=draws).split(BATCH):
            loss = F.cross_entropy(network(train[places]), data.train.labels[places])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = (network.eval()(test).argmax(1) == data.test.labels).double()
    recalls = [right[data.test.labels == label].mean() for label in range(data.num_classes)]
    return torch.stack(recalls).mean().item()


def measured(data: Data, name: str, fill: Fill | None, seed: int) -> dict[str, Any]:
    """The row of one fill, or of what it is compared with."""
    row: dict[str, Any] = {"fill": name, "seed": seed}
    for what in ("outline", "box"):
        if name == WHOLE and what == "box":
            row[what] = row["outline"]
            continue
        kind = what if fill is not None else f"{name} {what}"
        train, test = (
            without_object(split, fill, kind, seed + number)
            for number, split in ((0, data.train), (10**6, data.test))
        )
        row[what] = read(data, train, test, seed)
    if fill is not None:
        few = data.test.take(torch.arange(256))
        started = time.perf_counter()
        without_object(few, fill, "outline", seed)
        row["milliseconds"] = 1000 * (time.perf_counter() - started) / len(few)
        found = reconstruction(fill, data.test, seed)
        row |= {"l1": found.l1, "psnr": found.psnr}
    return row


def fills_of(data: Data, file: Path) -> Iterator[tuple[str, Fill | None]]:
    """Everything that is measured, by its name."""
    yield WHOLE, None
    yield MASK, None
    for name in FILLS:
        painter = find_inpainter(str(file)) if name == "inpainter" else None
        yield name, make_fill(name, mean=data.mean, inpainter=painter)


def rows_of(name: str, config: DataConfig, seed: int, out: Path) -> list[dict[str, Any]]:
    """The rows of one seed; those that are there already are read."""
    folder = out / name / f"seed-{seed}"
    with run_bars() as bars:
        train_inpainter(
            InpaintingConfig(config, seed, steps=STEPS, width=WIDTH),
            folder / "inpainter",
            lambda done, total: bars(f"inpainter, {name}, seed {seed}", done, total),
        )
    data = build_data(config, seed)
    rows = []
    for fill_name, fill in fills_of(data, folder / "inpainter" / "inpainter.safetensors"):
        file = folder / f"{fill_name.replace(' ', '-')}.json"
        if not file.is_file():
            row = {"setting": name, **measured(data, fill_name, fill, seed)}
            write_json(file, row | {"chance": 1 / data.num_classes, "revision": git_revision()})
        rows.append(json.loads(file.read_text()))
        print(rows[-1], flush=True)
    return rows


def fills_markdown(rows: Rows) -> str:
    """A line a fill: labels read, in per cent, and how far painted backgrounds are from true ones.

    Mean ± standard deviation over seeds.
    """
    head = ["fill", "label read, outline filled", "label read, box filled", "L1", "PSNR, dB"]
    head += ["ms an image"]
    lines = [head, ["---"] * len(head)]
    for name in dict.fromkeys(row["fill"] for row in rows):
        own = [row for row in rows if row["fill"] == name]
        cells = [spread([row[what] for row in own]) for what in ("outline", "box")]
        if "l1" in own[0]:
            cells += [_decimals([row["l1"] for row in own], 3)]
            cells += [_decimals([row["psnr"] for row in own], 1)]
            cells += [f"{mean(row['milliseconds'] for row in own):.1f}"]
        else:
            cells += ["\N{EN DASH}"] * 3
        lines.append([name, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _decimals(values: list[float], digits: int) -> str:
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def main() -> None:
    """The command: measure what is missing, write the page's tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--path", help="folder of Fashion-MNIST's idx files, for wear as well")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    tables, rows = {}, []
    for name in ("digits", "wear") if options.path else ("digits",):
        config = setting(name, options.path)
        out = options.out / "fills"
        own = [row for seed in options.seeds for row in rows_of(name, config, seed, out)]
        tables[f"fills {name}"] = fills_markdown(own)
        rows += own
    write_page(PAGE, rows, tables)


if __name__ == "__main__":
    main()
