r"""Does an audit measure what it says? Its reliance against the correlation that was trained on.

    python -m benchmarks.lite0 LITE0.safetensors
    python -m benchmarks.u2netp
    python -m benchmarks.reliance --foregrounds CUTOUTS --backgrounds SCENES \
        --weights LITE0.safetensors

Composes pets on scenes at five correlations and with five seeds, trains plain classifiers on them,
and audits each with exact masks, boxes and a segmenter's masks. Keeps sets, runs and audits in
runs/reliance (a stopped study goes on), writes docs/results/reliance.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor

from benchmarks.page import Rows, write_page
from benchmarks.study import ROOT
from causalogit.auditing import Audit, AuditConfig, audit
from causalogit.auditing.photos import from_run
from causalogit.augment import box_masks
from causalogit.cli.tables import spread
from causalogit.config import RunConfig
from causalogit.data import Samples
from causalogit.data.compose import ComposeConfig, compose
from causalogit.data.images import Masked
from causalogit.files import write_json
from causalogit.masks import Segmenter, find_segmenter
from causalogit.presets import load_preset
from causalogit.train import train
from causalogit.train.environment import git_revision
from causalogit.train.load import load_model

PAGE = ROOT / "docs" / "results" / "reliance"
CORRELATIONS = (0.5, 0.65, 0.8, 0.9, 0.95)
MASKS = ("exact", "boxes", "u2netp")
SETTING = ComposeConfig(
    foregrounds="",
    backgrounds="",
    pairs={"cat": "forest", "dog": "sea"},
    train=1200,
    meta=40,
    validation=200,
    test=400,
    min_scale=0.7,
    max_scale=1.0,
)


class Remembering:
    """A segmenter that looks at a photo once: test photos are those of all correlations."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter, self.masks = segmenter, dict[bytes, Tensor]()

    def __call__(self, images: Tensor) -> Tensor:
        """Soft masks `(B, 1, H, W)` of photos `(B, 3, H, W)`."""
        keys = [image.numpy().tobytes() for image in images.cpu()]
        new = [place for place, key in enumerate(keys) if key not in self.masks]
        if new:
            found = self.segmenter(images[new])
            self.masks |= {keys[place]: mask for place, mask in zip(new, found, strict=True)}
        return torch.stack([self.masks[key] for key in keys])


def trained(options: argparse.Namespace, correlation: float, seed: int) -> Path:
    """The checkpoint of a plain classifier, trained on a set of this correlation."""
    folder: Path = options.out / f"{correlation:g}-seed-{seed}"
    data = folder / "set"
    if not data.is_dir():
        setting = replace(
            SETTING,
            foregrounds=str(options.foregrounds),
            backgrounds=str(options.backgrounds),
            correlation=correlation,
            seed=seed,
        )
        compose(setting, data)
    config: RunConfig = load_preset("waterbirds-small")
    config = replace(
        config,
        method="erm",
        seed=seed,
        weights=str(options.weights),
        data=replace(config.data, path=str(data)),
    )
    train(config, folder / "run", resume=True)
    return folder / "run" / "last.ckpt"


def audited(
    samples: Samples, model: torch.nn.Module, masks: str, segmenter: Segmenter | None
) -> Audit:
    """The audit of a classifier on its own test photos, whose masks are of this kind."""
    if masks == "boxes":
        samples = replace(samples, images=Masked(samples.images, lambda m, _: box_masks(m)))
    settings = AuditConfig(attention=0)
    return audit(model, samples, settings, segmenter=segmenter, pictures=False)


def row_of(found: Audit) -> dict[str, Any]:
    """What the page needs of an audit."""
    reliance, groups = found.overall.reliance, found.discovered
    assert reliance is not None
    assert found.known is not None
    return {
        "reliance": reliance.value,
        "low": reliance.low,
        "high": reliance.high,
        "verdict": found.verdict.word,
        "worst_group": found.known.worst.accuracy.value,
        "agreement": None if groups is None else groups.agreement,
    }


def reliance_markdown(rows: Rows) -> str:
    """A line a correlation and kind of masks: reliance, verdicts, discovered groups."""
    head = "| masks | correlation | reliance, points | verdicts | adjusted Rand index |\n"
    lines = [head, "|---|---|---|---|---|\n"]
    for masks, correlation in dict.fromkeys((r["masks"], r["correlation"]) for r in rows):
        own = [r for r in rows if (r["masks"], r["correlation"]) == (masks, correlation)]
        words = [r["verdict"] for r in own]
        said = ", ".join(f"{words.count(w)} {w.replace('_', ' ')}" for w in dict.fromkeys(words))
        agreement = [r["agreement"] for r in own if r["agreement"] is not None]
        index = f"{mean(agreement):.2f}" if agreement else "\N{EN DASH}"
        value = spread([r["reliance"] for r in own])
        lines.append(f"| {masks} | {correlation:g} | {value} | {said} | {index} |\n")
    return "".join(lines)


def ranks_markdown(rows: Rows) -> str:
    """Spearman's rank correlation of reliance with the correlation trained on, and with harm.

    Harm is what the worst group's error is, measured with group labels that an audit does without.
    """
    lines = ["| masks | with the correlation | with the worst group's error |\n", "|---|---|---|\n"]
    for masks in dict.fromkeys(row["masks"] for row in rows):
        own = [row for row in rows if row["masks"] == masks]
        truths: Sequence[Callable[[Any], float]] = (
            lambda row: row["correlation"],
            lambda row: -row["worst_group"],
        )
        ranks = [
            spearmanr([row["reliance"] for row in own], [truth(row) for row in own]).statistic
            for truth in truths
        ]
        lines.append(f"| {masks} | {ranks[0]:.2f} | {ranks[1]:.2f} |\n")
    return "".join(lines)


def parser_of(description: str | None, out: str) -> argparse.ArgumentParser:
    """Options of a study on classifiers of pets: what to compose from, weights, seeds, a folder."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("foregrounds", "backgrounds", "weights"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=Path(out))
    return parser


def with_others(masks: Sequence[str]) -> list[dict[str, Any]]:
    """Rows that the page has of other masks than these."""
    kept = PAGE / "results.json"
    rows = json.loads(kept.read_text())["runs"] if kept.is_file() else []
    return [row for row in rows if row["masks"] not in masks]


def main() -> None:
    """Make what is missing, then write the page's tables."""
    parser = parser_of(__doc__, "runs/reliance")
    parser.add_argument("--masks", nargs="+", choices=MASKS, default=list(MASKS))
    options = parser.parse_args()
    rows = with_others(options.masks)
    for masks in options.masks:
        segmenter = None if masks in ("exact", "boxes") else Remembering(find_segmenter(masks))
        for correlation in CORRELATIONS:
            for seed in options.seeds:
                file = options.out / f"{correlation:g}-seed-{seed}" / f"{masks}.json"
                if not file.is_file():
                    model, _, data = load_model(trained(options, correlation, seed))
                    found = audited(from_run(data, "test"), model, masks, segmenter)
                    what = {"masks": masks, "correlation": correlation, "seed": seed}
                    write_json(file, what | row_of(found) | {"revision": git_revision()})
                rows.append(json.loads(file.read_text()))
                print(rows[-1], flush=True)
    rows.sort(key=lambda row: (MASKS.index(row["masks"]), row["correlation"], row["seed"]))
    write_page(PAGE, rows, {"reliance": reliance_markdown(rows), "ranks": ranks_markdown(rows)})


if __name__ == "__main__":
    main()
