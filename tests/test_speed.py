"""The speed table compares what computes the same thing, and says what it was asked to say."""

from __future__ import annotations

import argparse

import pytest
from benchmarks import speed, speed_page
from benchmarks.rivals import Unroll
from torch import nn

from causalogit.models import build_model

OURS = tuple(s for s in speed.SCHEMES if s.rival in (None, Unroll))  # the others are an extra


def lenet() -> nn.Module:
    return build_model("lenet", speed.CLASSES, 3, seed=0)


def test_all_exact_schemes_have_the_hypergradient_of_the_unroll(monkeypatch):
    monkeypatch.setattr(speed, "SCHEMES", OURS)
    found = speed.errors(lenet, 28, "cpu")
    assert found.keys() == {scheme.name for scheme in OURS}
    for scheme in OURS[1:]:
        assert (found[scheme.name] < 1e-12) == scheme.exact


@pytest.mark.parametrize("name", ["torchopt", "higher"])
def test_a_rival_has_it_too(monkeypatch, name):
    pytest.importorskip(name)
    monkeypatch.setattr(speed, "SCHEMES", [s for s in speed.SCHEMES if s.name == name])
    assert speed.errors(lenet, 28, "cpu")[name] < 1e-12


def test_nothing_is_timed_where_a_hypergradient_is_wrong(monkeypatch):
    wrong = speed.Scheme("exact", 1.0, {"saliency_weight": 0.0})
    right = speed.hypergradient
    monkeypatch.setattr(speed, "SCHEMES", [speed.PLAIN, wrong])
    monkeypatch.setattr(
        speed,
        "hypergradient",
        lambda scheme, *rest: right(scheme, *rest) * (1 + 1e-6 * (scheme is wrong)),
    )
    with pytest.raises(SystemExit, match=r"exact: .* 1\.0e-06 off"):
        speed.measured("lenet", argparse.Namespace(device="cpu"))


def test_a_row_has_ratios_to_the_plain_steps_around_it(monkeypatch):
    chosen = [speed.PLAIN, speed.Scheme("lagged", 0.25, {"lagged": True})]
    monkeypatch.setattr(speed, "SCHEMES", chosen)
    options = argparse.Namespace(device="cpu", precision="float32", batch=16, rounds=1)
    plain, lagged = speed.measured("lenet", options)
    assert plain["time_ratio"] == plain["memory_ratio"] == 1
    assert lagged["time_ratio"] > 1
    keys = {"model", "scheme", "meta_fraction", "time_ratio", "memory_ratio", "hypergradient_error"}
    assert keys <= lagged.keys()
    assert "| lagged | 0.25 |" in speed_page.table([plain, lagged])
