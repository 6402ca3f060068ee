"""The search for a config's best values, on validation data alone."""

from causalogit.tuning.result import Trial, Tuned
from causalogit.tuning.run import tune
from causalogit.tuning.space import Space, read_space

__all__ = ["Space", "Trial", "Tuned", "read_space", "tune"]
