"""The loop, checkpoints, a run's folder."""

from causalogit.train.compare import compare
from causalogit.train.load import LoadedRun, load_run
from causalogit.train.loop import train

__all__ = ["LoadedRun", "compare", "load_run", "train"]
