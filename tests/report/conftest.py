"""Tiny runs, trained once, and runs on made-up images that need no training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from causalogit.config import (
    AttributeConfig,
    DataConfig,
    LongTailConfig,
    MetaConfig,
    NoiseConfig,
    OptimizerConfig,
    RunConfig,
)
from causalogit.data import InMemory, Samples, build_data
from causalogit.data.sources import SOURCES, Source
from causalogit.evaluate.metrics import classification_metrics, predict
from causalogit.methods import find_method
from causalogit.report import measures
from causalogit.train import LoadedRun, load_run, train

TINY = RunConfig(
    data=DataConfig(test_size=3500, validation_size=1000, meta=MetaConfig(per_class=20)),
    optimizer=OptimizerConfig(epochs=1),
)


NOISY = RunConfig(
    data=DataConfig(
        test_size=3500,
        validation_size=500,
        long_tail=LongTailConfig(ratio=10),
        noise=NoiseConfig("flip", 0.4),
        attribute=AttributeConfig(kind="none"),
    ),
    optimizer=OptimizerConfig(epochs=1),
)
"""Without attributes, long-tailed, with wrong labels: 387 training images."""


@pytest.fixture(scope="package")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LoadedRun]:
    """Trains a method for one epoch, or gives back what it has trained before."""
    made: dict[tuple[str, int, DataConfig], LoadedRun] = {}

    def build(method: str, seed: int = 0, config: RunConfig = TINY) -> LoadedRun:
        key = (method, seed, str(config.data))
        if key not in made:
            folder: Path = tmp_path_factory.mktemp("runs") / f"{method}-{seed}"
            train(replace(config, method=method, seed=seed), folder)
            made[key] = load_run(folder)
        return made[key]

    return build


@pytest.fixture
def erm(make_run: Callable[..., LoadedRun]) -> LoadedRun:
    return make_run("erm")


@pytest.fixture
def clp(make_run: Callable[..., LoadedRun]) -> LoadedRun:
    return make_run("clp")


@pytest.fixture
def recipe(make_run: Callable[..., LoadedRun]) -> LoadedRun:
    return make_run("clp_factual")


@pytest.fixture
def other_seed(make_run: Callable[..., LoadedRun]) -> LoadedRun:
    return make_run("erm", 1)


@pytest.fixture
def noisy(make_run: Callable[..., LoadedRun]) -> list[LoadedRun]:
    return [make_run("erm", config=NOISY), make_run("clp", config=NOISY)]


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., LoadedRun]:
    """A run of an untrained classifier on samples of random colours, read as any source is."""

    def build(samples: Samples, method: str = "erm") -> LoadedRun:
        monkeypatch.setitem(SOURCES, "made_up", Source(lambda _: samples, "made up"))
        meta = MetaConfig(per_class=max(1, len(samples.attribute_names)))
        config = RunConfig(method=method, data=DataConfig(source="made_up", meta=meta))
        splits = build_data(config.data, seed=0)
        model = build_model(splits.num_classes)
        logits = predict(model, splits.test, torch.device("cpu"))
        tested = classification_metrics(
            logits, splits.test.labels, splits.test.groups, splits.group_counts
        )
        figures = {"epoch": 1} | {
            name.replace("/mean", "/test_mean"): value for name, value in tested.items()
        }
        found = find_method(method)
        row = {
            "method": method, "title": found.title, "budget": found.budget, "seed": 0,
            "dataset": splits.name, "last": figures, "selected": figures, "seconds": 1.0,
        }  # fmt: skip
        history = [{"epoch": 1.0, "train/loss/train": 1.0, "validation/accuracy/mean": 0.5}]
        return LoadedRun(tmp_path / method, config, splits, model, history, row, None)

    return build


def build_model(classes: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 5, stride=4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, classes),
        ).eval()


def made_up_samples(
    groups: list[list[int]], side: int = 12, *, attributes: bool = True, masks: bool = False
) -> Samples:
    """As many images as `groups` has for each class and attribute."""
    pairs = [
        (label, attribute)
        for label, row in enumerate(groups)
        for attribute, count in enumerate(row)
        for _ in range(count)
    ]
    generator = torch.Generator().manual_seed(0)
    shape = (len(pairs), 3, side, side)
    images = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    boxes = torch.zeros(len(pairs), 1, side, side, dtype=torch.uint8)
    boxes[:, :, side // 4 : -side // 4, side // 4 : -side // 4] = 255
    return Samples(
        InMemory(images, boxes if masks else None),
        torch.tensor([label for label, _ in pairs]),
        tuple(f"kind {label}" for label in range(len(groups))),
        torch.tensor([attribute for _, attribute in pairs]) if attributes else None,
        tuple(f"place {attribute}" for attribute in range(len(groups[0]))) if attributes else (),
        object_name="bird",
    )


@pytest.fixture
def birds(made_up: Callable[..., LoadedRun]) -> LoadedRun:
    """Large photos, two classes on two places; class 0 is mostly at place 1, class 1 at place 0."""
    return made_up(made_up_samples([[10, 90], [90, 10]], side=120, masks=True))


@pytest.fixture(autouse=True)
def few_images_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "MEASURED", 5)
