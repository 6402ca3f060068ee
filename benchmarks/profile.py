"""Where the time of a step goes, what the least is that it could take, and what is left.

    python -m benchmarks.profile [--models resnet32] [--rounds 15] [--threads 1] \
        [--ways channels-last]

Times every pass of a step by itself, and whole steps, in turn on one machine. Writes the tables of
docs/results/profile.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.autograd.forward_ad import dual_level, make_dual
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.page import markdown, write_page
from benchmarks.rivals import Pair
from benchmarks.speed import BATCH, CLASSES, PLAIN, Scheme, models, pair, sgd, stepper
from benchmarks.study import ROOT
from causalogit.core import CausalLogitPerturbation, VirtualStep
from causalogit.core.forward_mode import Replay, Tape
from causalogit.train.environment import git_revision

PAGE = ROOT / "docs" / "results" / "profile"
STEPS = {
    "plain step": PLAIN,
    "exact step": Scheme("exact", ours={}),
    "lagged step": Scheme("lagged", ours={"lagged": True}),
}
PASSES = {
    "forward": "forward",
    "backward, Eq. 8": "backward",
    "meta forward": "meta forward",
    "meta backward": "meta backward",
    "J t, Eq. 9": "J t",
    "backward, Eq. 10": "backward",
}
"""The passes of an exact step in their order, by what is timed. A lagged one has no last."""

LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
OTHER_WAYS = (*LAYOUTS, "bfloat16", "compiled")
"""In which steps are timed besides: layouts in memory, autocast, and `torch.compile`."""


def passes(model: nn.Module, batch: Pair, meta: Pair) -> dict[str, Callable[[], object]]:
    """The passes of a step, each to be done by itself; J t in three ways."""
    images, labels = batch
    clp = CausalLogitPerturbation(model, sgd(model), [meta], CLASSES)
    classifier, parameters = clp.classifier, clp.classifier.parameters()
    buffers = classifier.buffer_state()
    with Tape() as tape:
        logits, features = classifier(images)
    output = torch.zeros_like(logits)
    step = VirtualStep(
        classifier, clp.optimizer, images, labels, logits, features, output, clp.loss, {},
        lambda: None, buffers, tape=tape,
    )  # fmt: skip
    leaves = {n: p.detach().requires_grad_() for n, p in parameters.items()}
    weights = {n: p.detach() for n, p in parameters.items()}
    tangents = {n: 0.01 * torch.randn_like(p) for n, p in weights.items()}

    def forward() -> None:
        with Tape():
            classifier(images)

    def meta_forward() -> torch.Tensor:
        return F.cross_entropy(classifier.probe(leaves, meta[0]), meta[1])

    meta_loss = meta_forward()

    def meta_backward() -> None:
        torch.autograd.grad(meta_loss, list(leaves.values()), retain_graph=True)

    def by_pytorch() -> None:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), dual_level():
            step.logits_at({n: make_dual(w, tangents[n]) for n, w in weights.items()})

    def by_tape() -> None:
        with Replay(tape):
            by_pytorch()

    def probe() -> None:
        with torch.no_grad():
            classifier.probe(weights, images)

    return {
        "forward": forward,
        "backward": lambda: step.gradient(parameters),
        "meta forward": meta_forward,
        "meta backward": meta_backward,
        "J t": by_tape,
        "J t by PyTorch": by_pytorch,
        "J t by a difference": probe,
    }


def in_another_way(
    way: str, scheme: Scheme, model: nn.Module, batch: Pair, meta: Pair
) -> Callable[[], object]:
    """A step in one of `OTHER_WAYS`."""
    if way in LAYOUTS:
        layout = LAYOUTS[way]
        images, of_meta = (of[0].contiguous(memory_format=layout) for of in (batch, meta))
        batch, meta = (images, batch[1]), (of_meta, meta[1])
        model = model.to(memory_format=layout)
    if way == "compiled":
        model.compile()
    step = stepper(scheme, model, meta)
    if way != "bfloat16":
        return partial(step, *batch)

    def autocast() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            step(*batch)

    return autocast


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Median times of all passes and steps of a model, in plain steps."""
    make, side = models(quick=False)[name]
    batch, meta = pair(BATCH, side, "cpu", 0), pair(BATCH, side, "cpu", 1)
    jobs = passes(make(), batch, meta)
    for title, scheme in STEPS.items():
        jobs[title] = partial(stepper(scheme, make(), meta), *batch)
        for way in options.ways:
            jobs[f"{title}, {way}"] = in_another_way(way, scheme, make(), batch, meta)
    times: dict[str, list[float]] = {job: [] for job in jobs}
    for number in range(-1, options.rounds):
        for job, work in jobs.items():
            start = time.perf_counter()
            work()
            if number >= 0:  # the first round warms up
                times[job].append(time.perf_counter() - start)
    plain = times["plain step"]
    ratios = {
        job: median(own / base for own, base in zip(found, plain, strict=True))
        for job, found in times.items()
    }
    return {"model": name, "plain_seconds": median(plain), "plain_steps": ratios}


def floors(times: Mapping[str, float]) -> dict[str, float]:
    """The least that steps can take whose J t costs two forward passes, or one, in plain steps.

    Passes alone: no network, no characteristics, no optimizer.
    """
    forward, backward = times["forward"], times["backward"]
    exact, lagged = 2 * forward + 3 * backward, 2 * forward + 2 * backward
    quarter = 1.25 * (forward + backward)
    return {
        f"{name}, J t for {count}": base + cost * forward
        for name, base in (("exact", exact), ("lagged", lagged), ("lagged, 1/4", quarter))
        for cost, count in ((2, "two forwards"), (1, "one"))
    }


def passes_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a pass, a column a model: plain steps, and the share of an exact step."""
    lines = [["pass", *(row["model"] for row in rows)], ["---"] * (len(rows) + 1)]

    def line(title: str, values: Sequence[float], *, share: bool = False) -> None:
        cells = [f"{value:.2f}" for value in values]
        if share:
            wholes = [row["plain_steps"]["exact step"] for row in rows]
            pairs = zip(cells, values, wholes, strict=True)
            cells = [f"{cell} ({value / whole:.0%})" for cell, value, whole in pairs]
        lines.append([title, *cells])

    def column(key: str) -> list[float]:
        return [row["plain_steps"][key] for row in rows]

    for title, key in PASSES.items():
        line(title, column(key), share=True)
    sums = [sum(row["plain_steps"][key] for key in PASSES.values()) for row in rows]
    rest = [whole - own for whole, own in zip(column("exact step"), sums, strict=True)]
    line("all else: characteristics, network, optimizers, copies", rest, share=True)
    for title in ("exact step", "lagged step", "J t by PyTorch", "J t by a difference"):
        line(f"**{title}**" if title.endswith("step") else title, column(title))
    return markdown(lines)


def floors_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a scheme, a column a model."""
    found = [floors(row["plain_steps"]) for row in rows]
    lines = [["scheme", *(row["model"] for row in rows)], ["---"] * (len(rows) + 1)]
    lines += [[name, *(f"{own[name]:.2f}" for own in found)] for name in found[0]]
    return markdown(lines)


def ways_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a step and way, a column a model."""
    lines = [["step", *(row["model"] for row in rows)], ["---"] * (len(rows) + 1)]
    for title in STEPS:
        for name in (title, *(f"{title}, {way}" for way in OTHER_WAYS)):
            found = [row["plain_steps"].get(name) for row in rows]
            lines.append([name, *("\N{EN DASH}" if own is None else f"{own:.2f}" for own in found)])
    return markdown(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=list(models(quick=False)))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--ways", nargs="+", choices=OTHER_WAYS, default=OTHER_WAYS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    order = list(models(quick=False))
    chosen = options.models or order
    path = PAGE / "results.json"
    rows = json.loads(path.read_text())["runs"] if path.is_file() else []
    rows = [row for row in rows if row["model"] not in chosen]
    for name in chosen:
        row = measured(name, options)
        rows.append(row | {"threads": options.threads, "revision": git_revision()})
        print(row, flush=True)
    rows.sort(key=lambda row: order.index(row["model"]))
    tables = {
        "passes": passes_markdown(rows),
        "floors": floors_markdown(rows),
        "ways": ways_markdown(rows),
    }
    write_page(PAGE, rows, tables)


if __name__ == "__main__":
    main()
