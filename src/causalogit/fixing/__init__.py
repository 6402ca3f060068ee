"""From a classifier that relies on the background to one that does not: audit, train, audit."""

from causalogit.fixing.config import FixConfig
from causalogit.fixing.result import SCHEMA, Change, Fixed, Outcome
from causalogit.fixing.run import fix

__all__ = ["SCHEMA", "Change", "FixConfig", "Fixed", "Outcome", "fix"]
