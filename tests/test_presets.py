"""Every preset builds its model, its data and its method, and takes a step on stand-in images."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from causalogit.config import DataConfig, OptimizerConfig, RunConfig
from causalogit.core import THE_TEN
from causalogit.data import Data, InMemory, Split
from causalogit.methods import Task, build_method
from causalogit.methods.clp import Clp
from causalogit.models import build_model
from causalogit.presets import (
    load_preset,
    preset_names,
    preset_path,
    preset_summary,
    read_config,
)
from causalogit.train.optimizer import build_optimizer, build_schedule

CLASSES = {"cifar10": 10, "cifar100": 100, "waterbirds": 2, "imagenet_glt": 1000, "mscoco_glt": 29}
PAPER = [
    *(f"cifar{c}-lt-{ratio}" for c in (10, 100) for ratio in (10, 100)),
    *(f"cifar{c}-{noise}" for c in (10, 100) for noise in (
        "flip-20", "flip-40", "uniform-40", "uniform-60",
    )),
    "waterbirds", "imagenet-glt", "mscoco-glt",
]  # fmt: skip


def stand_in(config: RunConfig) -> Data:
    """A few random images of the preset's size, with centre boxes as masks."""
    classes = CLASSES.get(config.data.source, 10)
    side = config.data.image_size or (28 if "mnist" in config.data.source else 32)
    count = 4
    draws = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, side, side, generator=draws)
    masks = torch.zeros(count, 1, side, side)
    masks[:, :, side // 4 : -side // 4, side // 4 : -side // 4] = 1
    labels = torch.randint(classes, (count,), generator=draws)
    split = Split(InMemory(images, masks), labels, labels)
    names = tuple(map(str, range(classes)))
    mean = torch.full((3,), 0.5)
    return Data(split, split, split, split, names, ("all",), "object", mean, "stand-in", {})


def test_every_row_of_the_paper_has_its_preset_and_a_small_one():
    assert set(PAPER) <= set(preset_names())
    small = set(preset_names()) - {*PAPER, "paper", "photos"}
    assert all(name.endswith("-small") for name in small)
    for name in PAPER:
        if not name.endswith("-glt"):
            assert f"{name}-small" in small
    assert "colour-mnist-glt-small" in small


@pytest.mark.parametrize("name", preset_names())
def test_a_step_of_every_preset(name):
    config = load_preset(name)
    config = replace(
        config,
        weights=None,  # fresh ones in place of a download
        clp=replace(config.clp, meta_batch_size=2),
    )
    data = stand_in(config)
    model = build_model(config.model, data.num_classes, data.channels, seed=0)
    optimizer = build_optimizer(model, config.optimizer)
    build_schedule(optimizer, config.optimizer)
    task = Task(
        config, data, model, optimizer, torch.Generator().manual_seed(0), torch.device("cpu")
    )
    before = [p.detach().clone() for p in model.parameters()]
    batch = data.train.batch(torch.arange(2), torch.Generator().manual_seed(0))
    metrics = build_method(task).step(batch)
    assert metrics["skipped"] == 0
    assert metrics["loss/meta"] > 0
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    # timm's ResNets begin with blocks that are switched off, and pass no gradient at first
    assert sum(moved) > len(moved) / 2


def test_the_preset_paper_has_no_addition_of_ours():
    """It names all that could be one, so that it stays when a method's own choice changes."""
    config = load_preset("paper")
    clp, network = config.clp, config.clp.network
    assert (config.method, network.form, network.bound, network.gated) == (
        "clp",
        "vector",
        1,
        False,
    )
    assert clp.characteristics == THE_TEN
    assert not clp.without
    assert not clp.replace
    assert (clp.pace, clp.meta_weight, clp.refit, clp.lagged, clp.every) == (1, 0, 0, False, 1)
    assert (clp.noise, clp.meta_until, clp.meta_statistics) == (0, 0, False)
    assert clp.meta_patience is False
    assert (clp.clean_weight, clp.factual_weight, clp.counterfactual_weight) == (1, 1, 1)
    left_open = {f.name for f in fields(clp) if getattr(clp, f.name) is None}
    assert left_open == {"expert"}  # nobody is asked, by the form and the ten
    assert Clp.expert_of(clp) is None
    assert not [f.name for f in fields(network) if getattr(network, f.name) is None]


def test_presets_say_what_they_are_and_unknown_ones_are_named():
    for name in preset_names():
        assert len(preset_summary(name)) > 20
    with pytest.raises(ValueError, match="preset 'cifar' is not known: choose among cifar10-"):
        preset_path("cifar")


def test_a_file_is_laid_over_other_options_section_by_section(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("optimizer: {epochs: 3}\ndata: {classes: {b: [x, y]}}\n")
    data = DataConfig(source="mnist", classes={"a": ("z",)})
    base = RunConfig(seed=4, optimizer=OptimizerConfig(epochs=9, learning_rate=0.3), data=data)
    found = read_config(str(file), base)
    assert (found.seed, found.data.source) == (4, "mnist")
    assert found.optimizer == OptimizerConfig(epochs=3, learning_rate=0.3)
    assert found.data.classes == {"b": ("x", "y")}  # these are one value, not a section
    assert read_config("photos", base).optimizer != base.optimizer
