"""Failure signatures of meta-learning, detected at once and named."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import Literal

Action = Literal["clip", "skip", "raise"]

_log = logging.getLogger(__name__)


class Divergence(RuntimeError):
    """Training left the numbers: a loss, delta or hypergradient exploded or is not finite."""


@dataclass
class Guard:
    """Decides what happens with a value that is too large or not finite.

    Args:
        action: `clip` scales an exploding value down to its limit (what is not finite cannot be
            scaled: it is skipped); `skip` leaves the update out; `raise` stops.
        limits: the largest size of each named value.
        patience: updates left out in a row before `Divergence` is raised whatever the action.
    """

    action: Action = "clip"
    limits: dict[str, float] = field(
        default_factory=lambda: {"loss": 1e4, "delta": 1e3, "hypergradient": 10.0}
    )
    patience: int = 20
    skipped: int = 0

    def factor(self, name: str, size: float) -> float:
        """By what to multiply a value of this `size`: 1 as it is, below 1 clipped, 0 left out.

        Raises:
            Divergence: the action is `raise`, or `patience` updates in a row were left out.
        """
        limit = self.limits[name]
        if size <= limit:
            self.skipped = 0
            return 1.0
        finite = math.isfinite(size)
        what = f"{name} exploded: {size:.3g} > {limit:.3g}" if finite else f"{name} is {size}"
        if self.action == "raise":
            raise Divergence(f"{what}; lower a learning rate, or let the guard clip or skip it")
        if self.action == "clip" and finite:
            _log.debug("%s: clipped", what)
            return limit / size
        self.skipped += 1
        _log.warning("%s: update left out (%d in a row)", what, self.skipped)
        if self.skipped >= self.patience:
            raise Divergence(
                f"{what}; {self.skipped} updates in a row were left out: lower a learning rate "
                "and go on from the last good checkpoint"
            )
        return 0.0
