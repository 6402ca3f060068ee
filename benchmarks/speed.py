r"""What a step costs: ours, a plain step, and the unrolls of others, in turn on one machine.

    pip install -e ".[bench-speed]"
    python -m benchmarks.speed [--quick] [--threads 1] [--device cuda]

First checks that all compute the same hypergradient, then times single steps in turn, round after
round. Writes speed.json, and the tables and the plot of docs/results/speed; `--quick` (ResNet-32
alone, a quarter of the batch, few rounds, under a minute) prints its table and writes speed.json
alone.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import timm
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.profiler import ProfilerActivity, profile

from benchmarks.page import fill_tables, markdown
from benchmarks.rivals import Higher, Pair, Rival, TorchOpt, Unroll
from benchmarks.study import ROOT
from causalogit.core import CausalLogitPerturbation, VirtualStep, output_gradient
from causalogit.core.forward_mode import Tape
from causalogit.core.hypergradient import Solver
from causalogit.models import build_model
from causalogit.report.figures.draw import Panel, write_png
from causalogit.train.checkpoint import write_json
from causalogit.train.environment import git_revision

PAGE = ROOT / "docs" / "results" / "speed"
CLASSES, BATCH, QUICK_BATCH = 10, 64, 16


@dataclass(frozen=True)
class Scheme:
    """One way to do Eqs. 8 to 10.

    Attributes:
        name: in tables.
        meta_fraction: meta images over training images in a step.
        ours: options of `CausalLogitPerturbation`; None for a rival.
        rival: the class of one.
    """

    name: str
    meta_fraction: float = 1.0
    ours: dict[str, Any] | None = None
    rival: type[Rival] | None = None

    @property
    def cycle(self) -> int:
        """Steps after which everything was done once."""
        return 1 if self.ours is None else int(self.ours.get("every", 1))

    @property
    def exact(self) -> bool:
        """Whether its hypergradient is that of the unroll."""
        return self.rival is not None or (self.ours is not None and "solver" not in self.ours)


PLAIN = Scheme("plain step")
SCHEMES = (
    PLAIN,
    Scheme("exact", 1.0, {}),
    Scheme("exact", 0.25, {}),
    Scheme("lagged", 1.0, {"lagged": True}),
    Scheme("lagged", 0.25, {"lagged": True}),
    Scheme("exact, every 4th step", 1.0, {"every": 4}),
    Scheme("lagged, every 4th step", 1.0, {"lagged": True, "every": 4}),
    Scheme("lagged, every 4th step", 0.25, {"lagged": True, "every": 4}),
    Scheme("finite_difference", 1.0, {"solver": "finite_difference"}),
    Scheme("last_layer", 1.0, {"solver": "last_layer"}),
    Scheme("last_layer, lagged", 0.25, {"solver": "last_layer", "lagged": True}),
    Scheme("unroll, written plainly", 1.0, rival=Unroll),
    Scheme("unroll, written plainly", 0.25, rival=Unroll),
    Scheme("torchopt", 1.0, rival=TorchOpt),
    Scheme("torchopt", 0.25, rival=TorchOpt),
    Scheme("higher", 1.0, rival=Higher),
    Scheme("higher", 0.25, rival=Higher),
)
MOST_WRONG = 1e-10
"""What the hypergradient of an exact scheme may differ by, of its norm, in float64."""


def models(quick: bool) -> dict[str, tuple[Callable[[], nn.Module], int]]:
    """Makers of the classifiers, and the side of their images."""
    own = {
        name: (lambda name=name: build_model(name, CLASSES, 3, seed=0), side)
        for name, side in (("lenet", 28), ("resnet32", 32))
    }
    if quick:
        return {"resnet32": own["resnet32"]}

    def vit() -> nn.Module:
        return timm.create_model("vit_tiny_patch16_224", num_classes=CLASSES, img_size=64)

    def resnet18() -> nn.Module:
        return timm.create_model("resnet18", num_classes=CLASSES)

    return {**own, "timm resnet18": (resnet18, 64), "timm vit_tiny": (vit, 64)}


def pair(count: int, side: int, device: str, seed: int) -> Pair:
    """Random images and labels."""
    draws = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 3, side, side, generator=draws)
    return images.to(device), torch.randint(CLASSES, (count,), generator=draws).to(device)


def sgd(model: nn.Module) -> SGD:
    """Without momentum: the state of torchopt's own would not be the real optimizer's."""
    return SGD(model.parameters(), lr=0.01, weight_decay=5e-4)


def stepper(scheme: Scheme, model: nn.Module, meta: Pair) -> Callable[[Tensor, Tensor], object]:
    """A function that takes one training step."""
    optimizer = sgd(model)
    if scheme.rival is not None:
        return scheme.rival(model, optimizer, CLASSES, meta).step
    if scheme.ours is not None:
        return CausalLogitPerturbation(model, optimizer, [meta], CLASSES, **scheme.ours).step

    def plain(images: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return plain


def hypergradient(scheme: Scheme, model: nn.Module, batch: Pair, meta: Pair) -> Tensor:
    """Derivative of the meta loss by a delta that is the same for all schemes, `(B, C)`."""
    images, labels = batch
    draws = torch.Generator().manual_seed(2)
    delta = torch.randn(len(images), CLASSES, generator=draws, dtype=images.dtype)
    delta = delta.to(images.device)
    optimizer = sgd(model)
    if scheme.rival is not None:
        return scheme.rival(model, optimizer, CLASSES, meta).hypergradient(images, labels, delta)
    options = scheme.ours or {}
    clp = CausalLogitPerturbation(model, optimizer, [meta], CLASSES, **options)
    with Tape() as tape:
        logits, features = clp.classifier(images)
    step = VirtualStep(
        clp.classifier, optimizer, images, labels, logits, features, delta, clp.loss, {},
        lambda: None, tape=tape,
    )  # fmt: skip
    if clp.lagged:
        step = clp._differentiated(step)
    solver: Solver = clp.solver

    def meta_loss(parameters: Any) -> Tensor:
        return F.cross_entropy(clp.classifier.probe(parameters, meta[0]), meta[1])

    return output_gradient(step, meta_loss, solver).by_output


def errors(make: Callable[[], nn.Module], side: int, device: str) -> dict[str, float]:
    """Relative difference of every scheme's hypergradient to the plain unroll's, in float64.

    Raises:
        SystemExit: that of an exact scheme is another one: times would compare what is not alike.
    """
    model = make().to(device).double()
    batch, meta = (
        (images.double(), labels)
        for images, labels in (pair(8, side, device, 0), pair(8, side, device, 1))
    )

    def of(scheme: Scheme) -> Tensor:
        return hypergradient(scheme, copy.deepcopy(model), batch, meta)

    oracle = of(Scheme("", rival=Unroll))
    found = {PLAIN.name: 0.0}
    for scheme in SCHEMES:
        if scheme.name not in found:
            error = float((of(scheme) - oracle).norm() / oracle.norm())
            if scheme.exact and not error <= MOST_WRONG:
                raise SystemExit(
                    f"{scheme.name}: the hypergradient is {error:.1e} off the unroll's"
                )
            found[scheme.name] = error
    return found


def seconds(step: Callable[[Tensor, Tensor], object], batch: Pair, cycle: int) -> float:
    """Of one step, over a cycle."""
    cuda = batch[0].is_cuda
    if cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(cycle):
        step(*batch)
    if cuda:
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / cycle


def peak_bytes(step: Callable[[Tensor, Tensor], object], batch: Pair, cycle: int) -> int:
    """The most that a cycle of steps holds at once, beyond what was held before."""
    if batch[0].is_cuda:
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        seconds(step, batch, cycle)
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        seconds(step, batch, cycle)
    held, most = 0, 0
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def measured(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a scheme for this model."""
    make, side = models(quick=False)[name]
    wrong = errors(make, side, options.device)
    size = QUICK_BATCH if options.quick else BATCH
    batch = pair(size, side, options.device, 0)
    steps = {}
    for scheme in SCHEMES:
        meta = pair(round(size * scheme.meta_fraction), side, options.device, 1)
        steps[scheme.name, scheme.meta_fraction] = stepper(scheme, make().to(options.device), meta)
    times: dict[tuple[str, float], list[float]] = {key: [] for key in steps}
    ratios: dict[tuple[str, float], list[float]] = {key: [] for key in steps}
    plain = steps[PLAIN.name, PLAIN.meta_fraction]
    memory = {}
    for scheme in SCHEMES:  # this warms up, too
        key = scheme.name, scheme.meta_fraction
        memory[key] = peak_bytes(steps[key], batch, scheme.cycle)
    for number in range(options.rounds):
        # a plain step before and after every other one: what the machine does hits both alike
        before = seconds(plain, batch, 1)
        for scheme in SCHEMES:
            key = scheme.name, scheme.meta_fraction
            own = before if scheme is PLAIN else seconds(steps[key], batch, scheme.cycle)
            after = before if scheme is PLAIN else seconds(plain, batch, 1)
            times[key].append(own)
            ratios[key].append(2 * own / (before + after))
            before = after
        print(f"{name}: round {number + 1} of {options.rounds}", flush=True)
    rows = []
    for scheme in SCHEMES:
        key = scheme.name, scheme.meta_fraction
        spread = sorted(ratios[key])
        rows.append(
            {
                "model": name,
                "scheme": scheme.name,
                "meta_fraction": scheme.meta_fraction,
                "time_ratio": median(spread),
                "time_ratio_low": spread[len(spread) // 4],
                "time_ratio_high": spread[-1 - len(spread) // 4],
                "memory_ratio": memory[key] / memory[PLAIN.name, 1.0],
                "hypergradient_error": wrong[scheme.name],
                "seconds": median(times[key]),
            }
        )
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a scheme."""
    head = ["scheme", "meta batch", "time, plain steps", "peak memory", "hypergradient error"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        spread = f"{row['time_ratio_low']:.2f} to {row['time_ratio_high']:.2f}"
        lines.append(
            [
                row["scheme"],
                "\N{EN DASH}" if row["scheme"] == PLAIN.name else f"{row['meta_fraction']:g}",
                f"**{row['time_ratio']:.2f}** ({spread})",
                f"{row['memory_ratio']:.2f}",
                f"{row['hypergradient_error']:.1e}",
            ]
        )
    return markdown(lines)


def draw(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Bars of the time of every scheme, a panel a model."""

    def panel(name: str) -> Panel:
        own = [row for row in rows if row["model"] == name][::-1]

        def fill(axes: Axes) -> None:
            names = [row["scheme"] + (" 1/4" if row["meta_fraction"] < 1 else "") for row in own]
            values = [row["time_ratio"] for row in own]
            bars = axes.barh(names, values, color="#1f63a8", height=0.6)
            axes.bar_label(bars, [f"{value:.1f}" for value in values], padding=3)
            axes.grid(axis="y", visible=False)
            axes.set_xlabel("plain steps")

        return Panel(name, f"Time of a step, {name}", fill, (520, 360))

    write_png(path, [panel(name) for name in dict.fromkeys(r["model"] for r in rows)], 2, [])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--models", nargs="+", choices=list(models(quick=False)))
    parser.add_argument("--rounds", type=int, help="times that every scheme is timed")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("speed.json"))
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 15)
    torch.set_num_threads(options.threads)
    known = models(options.quick)
    where = {
        "device": torch.cuda.get_device_name() if options.device != "cpu" else "cpu",
        "threads": options.threads,
        "rounds": options.rounds,
        "torch": torch.__version__,
        "revision": git_revision(),
    }
    rows: list[dict[str, Any]] = []
    for name in known if options.models is None else options.models:
        rows += [row | where for row in measured(name, options)]
        print(name, table([row for row in rows if row["model"] == name]), sep="\n", flush=True)
        write_json(options.out, {"rows": rows})
        if not options.quick:
            write_page(rows)


def write_page(rows: Sequence[Mapping[str, Any]]) -> None:
    """The page with these rows, and those that it has of other models."""
    path = PAGE / "speed.json"
    kept = json.loads(path.read_text())["rows"] if path.is_file() else []
    new = {row["model"] for row in rows}
    order = list(models(quick=False))
    rows = [*rows, *(row for row in kept if row["model"] not in new)]
    rows = sorted(rows, key=lambda row: order.index(row["model"]))
    write_json(path, {"rows": rows})
    names = dict.fromkeys(row["model"] for row in rows)
    tables = {f"speed {n}": table([r for r in rows if r["model"] == n]) for n in names}
    fill_tables(PAGE / "README.md", tables)
    draw(PAGE / "speed.png", rows)


if __name__ == "__main__":
    main()
