"""Three tiny runs, trained once, and variations of them that need no training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from causalogit.config import DataConfig, MetaConfig, OptimizerConfig, RunConfig
from causalogit.report import measures
from causalogit.train import LoadedRun, load_run, train

TINY = RunConfig(
    data=DataConfig(test_size=3500, validation_size=1000, meta=MetaConfig(per_class=20)),
    optimizer=OptimizerConfig(epochs=1),
)


@pytest.fixture(scope="package")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LoadedRun]:
    """Trains a method for one epoch, or gives back what it has trained before."""
    made: dict[tuple[str, int], LoadedRun] = {}

    def build(method: str, seed: int = 0) -> LoadedRun:
        key = (method, seed)
        if key not in made:
            folder: Path = tmp_path_factory.mktemp("runs") / f"{method}-{seed}"
            train(replace(TINY, method=method, seed=seed), folder)
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


@pytest.fixture(autouse=True)
def few_images_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "MEASURED", 5)
