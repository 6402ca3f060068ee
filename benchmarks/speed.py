r"""What a step costs: ours, a plain step, and the unrolls of others, in turn on one machine.

    pip install -e ".[bench-speed]"
    python -m benchmarks.speed [--quick] [--threads 1]
    python -m benchmarks.speed --device cuda [--precision bfloat16] [--batch 1024]

First checks that all compute the same hypergradient, then times single steps in turn, round after
round. Writes speed.json, and the tables and the plot of docs/results/speed; `--quick` (ResNet-32
alone, a quarter of the batch, few rounds, under a minute) prints its table and writes speed.json
alone.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.profiler import ProfilerActivity, profile

from benchmarks.rivals import Higher, Pair, Rival, TorchOpt, Unroll
from benchmarks.speed_page import PLAIN_STEP, table, write_page
from causalogit.core import CausalLogitPerturbation, VirtualStep, output_gradient
from causalogit.core.forward_mode import Tape
from causalogit.core.hypergradient import Solver
from causalogit.files import write_json
from causalogit.models import build_model
from causalogit.train.environment import git_revision

CLASSES, BATCH, QUICK_BATCH = 10, 64, 16
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Step = Callable[[Tensor, Tensor], object]


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


PLAIN = Scheme(PLAIN_STEP)
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


def stepper(
    scheme: Scheme, model: nn.Module, meta: Pair, precision: torch.dtype = torch.float32
) -> Step:
    """A function that takes one training step, under autocast unless `precision` is float32."""
    step = _stepper(scheme, model, meta)
    if precision == torch.float32:
        return step

    def cast(images: Tensor, labels: Tensor) -> None:
        with torch.autocast(images.device.type, precision):
            step(images, labels)

    return cast


def _stepper(scheme: Scheme, model: nn.Module, meta: Pair) -> Step:
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
    buffers = clp.classifier.buffer_state()
    with Tape() as tape:
        logits, features = clp.classifier(images)
    step = VirtualStep(
        clp.classifier, optimizer, images, labels, logits, features, delta, clp.loss, {},
        lambda: None, buffers, tape=tape,
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


def seconds(step: Step, batch: Pair, cycle: int) -> float:
    """Of one step, over a cycle; on a GPU between two events of its own."""
    take = partial(_steps, step, batch, cycle)
    if not batch[0].is_cuda:
        start = time.perf_counter()
        take()
        return (time.perf_counter() - start) / cycle
    begun, done = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begun.record()
    take()
    done.record()
    done.synchronize()
    milliseconds: float = begun.elapsed_time(done)
    return milliseconds / 1000 / cycle


def _steps(step: Step, batch: Pair, count: int) -> None:
    for _ in range(count):
        step(*batch)


def peak_bytes(step: Step, batch: Pair, cycle: int) -> int:
    """The most that a cycle of steps holds at once, beyond what was held before."""
    if batch[0].is_cuda:
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        _steps(step, batch, cycle)
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        _steps(step, batch, cycle)
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
    batch = pair(options.batch, side, options.device, 0)
    steps = {}
    for scheme in SCHEMES:
        meta = pair(round(options.batch * scheme.meta_fraction), side, options.device, 1)
        model = make().to(options.device)
        precision = PRECISIONS[options.precision]
        steps[scheme.name, scheme.meta_fraction] = stepper(scheme, model, meta, precision)
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
    parser.add_argument("--precision", choices=list(PRECISIONS), default="float32")
    parser.add_argument("--batch", type=int, help=f"training images in a step, {BATCH} by default")
    parser.add_argument("--out", type=Path, default=Path("speed.json"))
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 15)
    options.batch = options.batch or (QUICK_BATCH if options.quick else BATCH)
    torch.set_num_threads(options.threads)
    known = models(options.quick)
    where = {
        "device": torch.cuda.get_device_name() if options.device != "cpu" else "cpu",
        "precision": options.precision,
        "batch": options.batch,
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
            write_page(rows, list(models(quick=False)), BATCH)


if __name__ == "__main__":
    main()
