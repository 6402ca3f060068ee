"""The loop, checkpoints, a run's folder."""

from causalogit.train.compare import Job, compare, run_all
from causalogit.train.load import LoadedRun, load_run
from causalogit.train.run import train, validate

__all__ = ["Job", "LoadedRun", "compare", "load_run", "run_all", "train", "validate"]
