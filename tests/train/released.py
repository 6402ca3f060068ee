"""Makes the run of a released version that later versions must still load and go on with.

`python -m tests.train.released`, in the repository's root, writes it to tests/data/released.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from torch import nn

from causalogit.config import ClpConfig, NetworkConfig, RunConfig
from causalogit.train import train

from .conftest import TINY

FOLDER = Path(__file__).parents[1] / "data" / "released"
KEPT = ("config.yaml", "state.ckpt", "best-mean.ckpt", "best-worst_group.ckpt")
STEPS = 20
"""After which the run is stopped: in its second epoch of 13, two steps behind a checkpoint."""


def few_weights() -> nn.Module:
    """A classifier of 28x28 images whose checkpoint is small."""
    return nn.Sequential(
        nn.AvgPool2d(7), nn.Flatten(), nn.Linear(48, 4), nn.ReLU(), nn.Linear(4, 5)
    )


def config() -> RunConfig:
    """Of the run."""
    network = NetworkConfig(hidden=4)
    return replace(
        TINY,
        method="clp",
        model="tests.train.released:few_weights",
        checkpoint_every=6,
        clp=ClpConfig(meta_batch_size=8, network=network),
    )


class _Stopped(Exception):
    pass


def _stop(done: int, total: int) -> None:
    if done == STEPS:
        raise _Stopped


def main() -> None:
    """Write what a run leaves that is killed in its second epoch."""
    folder = FOLDER / version("causalogit")
    with suppress(_Stopped):
        train(config(), folder, on_step=_stop)
    for file in folder.rglob("*"):
        if file.is_file() and file.name not in KEPT:
            file.unlink()


if __name__ == "__main__":
    main()
