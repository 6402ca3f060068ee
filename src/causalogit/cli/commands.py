"""What each command does, once its options are typed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from causalogit.cli.audit import audit
from causalogit.cli.fix import fix
from causalogit.cli.progress import run_bars
from causalogit.cli.tables import (
    inpainter_table,
    masks_table,
    methods_table,
    metrics_table,
    presets_table,
    results_table,
    sources_table,
)
from causalogit.cli.tune import tune
from causalogit.config import OptimizerConfig, RunConfig
from causalogit.data.compose import ComposeConfig
from causalogit.data.compose import compose as compose_set
from causalogit.data.masking import MasksConfig, make_masks
from causalogit.evaluate.metrics import classification_metrics, predict, test_metrics
from causalogit.inpainting import InpaintingConfig, train_inpainter
from causalogit.methods import METHODS, lacks, run_data
from causalogit.presets import read_config
from causalogit.report import write_report
from causalogit.train import compare as run_comparison
from causalogit.train import load_run
from causalogit.train import train as run_training
from causalogit.train.compare import run_folder
from causalogit.train.load import load_model
from causalogit.train.together import is_first

__all__ = [
    "audit",
    "compare",
    "data_compose",
    "data_sources",
    "demo",
    "evaluate",
    "fix",
    "inpainter_train",
    "methods",
    "presets",
    "train",
    "tune",
]

DEMO_METHODS = ("erm", "meta_lp", "clp", "clp_factual")


def demo(out: str, seed: int, epochs: int) -> None:
    """Train four classifiers on coloured digits and show which of them look at the digit.

    ERM, Meta-LP, CLP as published and CLP with factual augmentation learn from the same 3,500 real
    handwritten digits, whose background colour gives the class away in 95 % of the images. Writes
    results.json, report.html and figures/. A demo that was stopped goes on where it was.
    """
    config = RunConfig(seed=seed, optimizer=OptimizerConfig(epochs=epochs))
    compare(config, DEMO_METHODS, [seed], {}, out, jobs=0, report=True)


def train(config: RunConfig, out: str | None, resume: bool) -> None:
    """Train one method with one seed and keep everything in a folder.

    Started by torchrun, its processes share every batch; the folder must be in reach of all.
    """
    folder = Path(out) if out else Path("runs") / f"{config.method}-{config.seed}"
    label = f"{config.method}, seed {config.seed}"
    with run_bars() if is_first() else nullcontext() as bars:
        row = run_training(
            config,
            folder,
            resume=resume,
            on_step=None if bars is None else partial(bars, label),
        )
    if not is_first():
        return
    console = Console()
    console.print(results_table([row]))
    console.print(f"kept in {folder}", markup=False, soft_wrap=True)


def compare(
    config: RunConfig,
    methods: Sequence[str],
    seeds: Sequence[int],
    configs: Mapping[str, str],
    out: str,
    jobs: int,
    report: bool,
) -> None:
    """Train several methods with several seeds each and print one table with their budgets.

    Runs that the folder holds already are kept, unfinished ones go on. Each run gets
    OUT/METHOD/seed-SEED; OUT/results.json is rewritten after every run, and keeps its other rows.
    Method and seed of a config file are of no concern here.
    """
    own = {name: read_config(file, config) for name, file in configs.items()}
    names = _names(methods, config)
    folder = Path(out)
    console = Console()
    done: list[dict[str, Any]] = []
    try:
        with run_bars() as bars:
            rows = run_comparison(
                config,
                names,
                seeds,
                folder,
                configs=own,
                jobs=jobs,
                on_progress=bars,
                on_row=done.append,
            )
    except Exception:
        if done:
            console.print(results_table(done))
        raise
    console.print(results_table(rows))
    console.print(f"results: {folder / 'results.json'}", markup=False, soft_wrap=True)
    if report:
        runs = [load_run(run_folder(folder, row["method"], row["seed"])) for row in rows]
        console.print(f"report:  {write_report(runs, folder)}", markup=False, soft_wrap=True)


def _names(methods: Sequence[str], config: RunConfig) -> list[str]:
    """The methods asked for; "all" are those whose masks the data has, and that take its pieces."""
    if list(methods) != ["all"]:
        return list(methods)
    data = run_data(config, torch.device("cpu"))
    left_out = {name: lack for name, kind in METHODS.items() if (lack := lacks(kind, data))}
    whole = [
        name
        for name, kind in METHODS.items()
        if config.optimizer.pieces > 1 and not kind.parallel and name not in left_out
    ]
    console = Console()
    if left_out:
        reasons = sorted(set(left_out.values()))
        console.print(f"left out, for want of {' and '.join(reasons)}: {', '.join(left_out)}")
    if whole:
        console.print(f"left out, as they take batches in one piece: {', '.join(whole)}")
    return [name for name in METHODS if name not in (*left_out, *whole)]


def evaluate(checkpoint: str, split: str) -> None:
    """Test the classifier of a checkpoint on the data that its own config names."""
    model, _, data = load_model(Path(checkpoint))
    samples = data.test if split == "test" else data.validation
    logits = predict(model, samples, torch.device("cpu"))
    metrics = classification_metrics(logits, samples.labels, samples.groups, data.group_counts)
    Console().print(metrics_table(test_metrics(metrics) if split == "test" else metrics))


def masks(config: MasksConfig, out: str) -> None:
    """Make a mask for every photo of a source, and report how good the masks look.

    OUT gets an 8-bit grey PNG file under the name of every photo, for --data.mask_path (of a table
    also photos.csv, a copy that names them, for --data.source); quality.csv and quality.json; and
    sheet.png, to glance over. A command that was stopped goes on where it was, and masks that were
    corrected by hand are kept.
    """
    folder = Path(out)
    with run_bars("photos") as bars:
        report = make_masks(config, folder, bars)
    console = Console()
    console.print(masks_table(report))
    if report.unfound:
        console.print(
            f"[yellow]Caution:[/yellow] nothing was found in {report.unfound:,} of "
            f"{len(report.rows):,} photos, so that all of each counts as object: their masks are "
            "white, and quality.csv names them; better ones in their place are kept"
        )
    options = ["--data.source", str(report.table or config.source)]
    if report.table is None:
        options += ["--data.mask_path", str(folder)]
    console.print(f"look at:  {folder / 'sheet.png'}", markup=False, soft_wrap=True)
    console.print(f"train on: {shlex.join(options)}", markup=False, soft_wrap=True)


def inpainter_train(config: InpaintingConfig, out: str) -> None:
    """Train a network that takes objects out of their images and paints background there.

    It learns to fill holes in the shapes of the objects that are cut into the backgrounds of the
    training images, and never sees an object. OUT gets inpainter.safetensors, report.json with its
    errors on held-out backgrounds, and sheet.png with pictures. A command that was stopped goes on
    where it was.
    """
    folder = Path(out)
    with run_bars() as bars:
        report = train_inpainter(config, folder, lambda done, total: bars("inpainter", done, total))
    console = Console()
    console.print(inpainter_table(report))
    console.print(f"look at: {folder / 'sheet.png'}", markup=False, soft_wrap=True)
    file = folder / "inpainter.safetensors"
    options = ["--clp.counterfactual", "inpainter", "--clp.inpainter.model", str(file)]
    console.print(f"use it:  {shlex.join(options)}", markup=False, soft_wrap=True)


def methods() -> None:
    """List the methods, each with its information budget: what it is allowed to know."""
    Console().print(methods_table())


def presets() -> None:
    """List configs for --config NAME: photos, the paper's set-ups, and small ones for a CPU."""
    Console().print(presets_table())


def data_sources() -> None:
    """List what data.source can be, and what data.path must point to."""
    Console().print(sources_table())


def data_compose(config: ComposeConfig, out: str) -> None:
    """Compose a set like Waterbirds, with masks, from cut-outs of objects and from scenes.

    FOREGROUNDS/CLASS holds the cut-outs of a class (images with transparency), BACKGROUNDS/PLACE
    the scenes of a place. Both are split between train, meta, validation and test before anything
    is put together. Writes metadata.csv, images/, masks/, compose.yaml and README.txt.
    """
    with run_bars("images") as bars:
        folder = compose_set(config, Path(out), bars)
    console = Console()
    summary = (folder / "README.txt").read_text(encoding="utf-8")
    console.print(summary, markup=False, highlight=False, soft_wrap=True, end="")
    console.print(f"kept in {folder}", markup=False, soft_wrap=True)
