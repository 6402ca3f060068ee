"""Two processes with half of every batch each do what one does with the whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from causalogit.core import (
    CausalLogitPerturbation,
    Pace,
    PerturbationNetwork,
    output_gradient,
    processes,
)
from causalogit.core.characteristics import THE_TEN

from .nets import OPTIMIZERS, batch, virtual_step
from .perturbers import keep, masks_for, perturber, remove, said_of


def net() -> nn.Sequential:
    """No dropout, whose draws are each process's own."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(36, 6), nn.Tanh(), nn.Linear(6, 3)
    )


def normalised() -> nn.Sequential:
    """Batch norm of images and of features, with weights and without, with and without memory."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.Tanh(),
        nn.BatchNorm2d(4, affine=False, momentum=None),
        nn.Flatten(),
        nn.Linear(36, 6),
        nn.BatchNorm1d(6, track_running_stats=False),
        nn.Tanh(),
        nn.Linear(6, 3),
    )


class Forked(nn.Module):
    """A block for each half of a batch: two processes leave one each without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(50, 6) for _ in range(2))
        self.head = nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        alone = processes.count() == 1
        parts = images.flatten(1).chunk(2 if alone else 1)
        own = self.blocks if alone else [self.blocks[processes.rank()]]
        hidden = [block(part).tanh() for block, part in zip(own, parts, strict=True)]
        return self.head(torch.cat(hidden))


STEPS = 4
CASES: dict[str, dict[str, Any]] = {
    "vector": {},
    "momentum": {"optimizer": "nesterov"},
    "adam": {"optimizer": "adam"},
    "contrast": {"form": "contrast"},
    "expert": {"form": "expert", "characteristics": (*THE_TEN, "spurious_gap")},
    "weight": {"form": "weight"},
    "pace": {"form": "target", "pace": 10.0},
    "noise": {"form": "target", "noise": 0.3},
    "lagged": {"lagged": True},
    "every": {"every": 2},
    "last_layer": {"solver": "last_layer"},
    "meta_weight": {"meta_weight": 0.7},
    "saliency": {"saliency_weight": 0.3},
    "clipped": {"limit": 1e-4},
    "forked": {"net": Forked, "factual": None, "counterfactual": None, "meta_weight": 0.7},
    "normalised": {"net": normalised},
    "normalised, adam": {"net": normalised, "optimizer": "adam", "meta_weight": 0.7},
    "normalised, lagged": {"net": normalised, "lagged": True, "saliency_weight": 0.3},
    "normalised, last_layer": {"net": normalised, "solver": "last_layer"},
}


@pytest.fixture(autouse=True)
def device() -> str:
    """Its processes have no GPU of their own each."""
    return "cpu"


def trained(case: dict[str, Any], part: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    """Weights after a few steps, and what is said of the last: by one process, with its parts."""
    options = dict(case)
    torch.manual_seed(0)
    model = options.pop("net", net)()
    form, names = options.pop("form", "vector"), options.get("characteristics", THE_TEN)
    optimizer = OPTIMIZERS[options.pop("optimizer", "sgd")](model)
    limit, pace = options.pop("limit", None), Pace(options.pop("pace", 1.0))
    meta = [batch(6, seed=100 + i) for i in range(3)]
    clp = CausalLogitPerturbation(
        model,
        optimizer,
        [(part(x), part(y), masks_for(part(x))) for x, y in meta],
        3,
        factual=options.pop("factual", keep),
        counterfactual=options.pop("counterfactual", remove),
        network=PerturbationNetwork(len(names), 3, form),
        pace=pace,
        **options,
    )
    if limit is not None:
        clp.guard.limits["hypergradient"] = limit
    for seed in range(STEPS):
        images, labels = batch(8, seed=seed)
        said = said_of(labels).double() if form == "expert" else None
        metrics = clp.step(
            part(images),
            part(labels),
            masks_for(part(images)),
            None if said is None else part(said),
        )
    clp.end_epoch()
    network = {f"network.{name}": value for name, value in clp.network.state_dict().items()}
    return {
        "weights": model.state_dict() | network | clp.statistics.state_dict(),
        "metrics": metrics,
    }


def in_a_process(rank: int, folder: str) -> None:
    """All cases, with half of every batch; what is left of each is saved."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    for name, case in CASES.items():
        state = trained(case, lambda whole: whole.chunk(2)[rank])
        torch.save(state, f"{folder}/{name}-{rank}.pt")
    torch.save(refusals(rank), f"{folder}/refusals-{rank}.pt")
    dist.barrier()  # a process that leaves while another still talks may abort it
    dist.destroy_process_group()


def refusals(rank: int) -> list[str]:
    """What is said to parts of different sizes, a wrapped model and the oracle."""

    def uneven() -> None:
        clp = perturber(net(), OPTIMIZERS["sgd"])
        clp.step(*batch(4 + rank))

    def uneven_meta() -> None:
        model = net()
        meta = [batch(2 + rank)]
        CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), meta, 3).step(*batch(4))

    def wrapped() -> None:
        perturber(DistributedDataParallel(net()), OPTIMIZERS["sgd"])

    def oracle() -> None:
        model = net()
        images, labels = batch(4)
        step = virtual_step(model, OPTIMIZERS["sgd"](model), images, labels, torch.zeros(4, 3))
        output_gradient(step, lambda parameters: torch.zeros(()), "unroll")

    def one_bad_image() -> None:
        clp = perturber(net(), OPTIMIZERS["sgd"])
        images, labels = batch(4)
        images[0, 0, 0, 0] = torch.nan if rank else 0.0
        raise ValueError(str(clp.step(images, labels)))

    said = []
    for refused in (uneven, uneven_meta, wrapped, oracle, one_bad_image):
        try:
            refused()
        except ValueError as error:
            said.append(str(error))
    return said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes have left, started once for all cases."""
    path = tmp_path_factory.mktemp("processes")
    spawn(in_a_process, (str(path),), nprocs=2)
    return path


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", CASES)
def test_two_processes_are_one(name: str, folder: Path) -> None:
    alone = trained(CASES[name], lambda whole: whole)
    first, second = (torch.load(folder / f"{name}-{rank}.pt") for rank in range(2))
    for key, value in alone["weights"].items():
        torch.testing.assert_close(first["weights"][key], value, rtol=0, atol=1e-8)
        torch.testing.assert_close(second["weights"][key], value, rtol=0, atol=1e-8)
    assert first["metrics"] == pytest.approx(alone["metrics"], abs=1e-8)
    assert second["metrics"] == first["metrics"]


def test_what_cannot_be_shared_is_refused(folder: Path) -> None:
    for rank in range(2):
        uneven, meta, wrapped, oracle, bad = torch.load(folder / f"refusals-{rank}.pt")
        assert "the processes have [4, 5] images of this batch" in uneven
        assert "the processes have [2, 3] images of this meta batch" in meta
        assert "DistributedDataParallel" in wrapped
        assert "take 'exact'" in oracle
        assert "'skipped': 1.0" in bad  # in the process with good images, too


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "net" not in case])
def test_a_batch_in_pieces_is_the_whole(name: str) -> None:
    whole = trained(CASES[name], lambda part: part)
    pieces = trained({**CASES[name], "pieces": 3}, lambda part: part)
    for key, value in whole["weights"].items():
        torch.testing.assert_close(pieces["weights"][key], value, rtol=0, atol=1e-8)
