"""Runs in bfloat16, and on a GPU where there is one: they learn what they learn elsewhere."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from causalogit.train import load_run, train
from causalogit.train.checkpoint import load_checkpoint
from tests.devices import DEVICES, needs_gpu


@pytest.mark.parametrize("accelerator", DEVICES)
def test_bfloat16_learns_what_single_precision_does(accelerator, tiny, tmp_path):
    losses = {}
    for precision in ("32-true", "bf16-mixed"):
        config = tiny(method="clp_factual", accelerator=accelerator, precision=precision)
        config = replace(config, optimizer=replace(config.optimizer, epochs=1))
        train(config, tmp_path / precision)
        weights = load_checkpoint(tmp_path / precision / "last.ckpt")["model"]
        assert {w.dtype for w in weights.values() if w.is_floating_point()} == {torch.float32}
        (row,) = load_run(tmp_path / precision).history
        assert all(math.isfinite(value) for value in row.values())
        losses[precision] = [row[f"train/loss/{name}"] for name in ("train", "classifier", "meta")]
    assert losses["bf16-mixed"] != losses["32-true"]  # it was in effect
    assert losses["bf16-mixed"] == pytest.approx(losses["32-true"], rel=0.02)


@needs_gpu
@pytest.mark.parametrize("method", ["erm_factual", "clp_factual", "clp"])
def test_a_run_on_a_gpu_learns_what_it_does_on_the_cpu(method, tiny, tmp_path):
    rows = [
        train(tiny(method=method, accelerator=where), tmp_path / where) for where in ("cpu", "cuda")
    ]
    cpu, gpu = (row["last"]["accuracy/test_mean"] for row in rows)
    assert gpu == pytest.approx(cpu, abs=0.05)
    # weights of a GPU are read where there is none
    weights = load_checkpoint(tmp_path / "cuda" / "last.ckpt")["model"]
    assert {w.device.type for w in weights.values()} == {"cpu"}


@needs_gpu
@pytest.mark.parametrize("fill", ["random", "fgsm"])
def test_a_run_on_a_gpu_goes_on_there(fill, tiny, tmp_path):
    class Stopped(Exception):
        pass

    def stop(done, steps):
        if done > steps // 2:
            raise Stopped

    config = tiny(method="clp_factual", accelerator="cuda")
    config = replace(config, clp=replace(config.clp, factual=fill))
    with pytest.raises(Stopped):
        train(config, tmp_path, on_step=stop)
    row = train(config, tmp_path, resume=True)
    assert math.isfinite(row["last"]["accuracy/test_mean"])
