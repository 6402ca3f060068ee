"""Failure signatures of meta-learning, detected at once and named."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

Action = Literal["clip", "skip", "raise"]

LIMITS = {"loss": 1e4, "meta loss": 1e4, "delta": 1e3, "weight": 1e3, "hypergradient": 10.0}
"""The largest size of each value before it counts as exploding (of weights: with mean 1)."""

_log = logging.getLogger(__name__)


class Divergence(RuntimeError):
    """Training left the numbers: a loss, an output or a hypergradient exploded or is not finite."""


@dataclass
class Guard:
    """Decides what happens with a value that is too large or not finite.

    Args:
        action: `clip` scales an exploding value down to its limit (what is not finite cannot be
            scaled: it is skipped; a finite loss needs no scaling, since the gradient of
            cross-entropy at the logits is bounded); `skip` leaves the update out; `raise` stops.
        limits: the largest size of each named value, where it is not that of `LIMITS`.
        patience: updates left out in a row before `Divergence` is raised whatever the action.
        skipped: updates left out in a row until now, by the name of the value that was to blame.
    """

    action: Action = "clip"
    limits: dict[str, float] = field(default_factory=LIMITS.copy)
    patience: int = 20
    skipped: dict[str, int] = field(default_factory=dict)

    def factor(self, name: str, size: float) -> float:
        """By what to multiply a value of this `size`: 1 as it is, below 1 clipped, 0 left out.

        Raises:
            Divergence: the action is `raise`, or `patience` updates in a row were left out.
        """
        limit = self.limit(name)
        if size <= limit:
            self.skipped[name] = 0
            return 1.0
        finite = math.isfinite(size)
        what = f"{name} exploded: {size:.3g} > {limit:.3g}" if finite else f"{name} is {size}"
        if self.action == "clip" and finite:
            _log.debug("%s: clipped", what)
            self.skipped[name] = 0
            return limit / size
        self._leave_out(name, what, "lower a learning rate")
        return 0.0

    def limit(self, name: str) -> float:
        """The largest size of this value."""
        return self.limits.get(name, LIMITS[name])

    def finite(self, name: str, values: Tensor, *, suspect: bool = True) -> bool:
        """Whether the inputs `values` `(B, ...)` are finite: the update is left out otherwise.

        Args:
            name: of the values.
            values: to look at, which a GPU has to be waited for.
            suspect: False where it is known already that they are.

        Raises:
            Divergence: as `factor`.
        """
        bad = int((~values.isfinite()).flatten(1).any(1).sum()) if suspect else 0
        if bad:
            what = f"{bad} of {len(values)} {name} hold values that are not finite"
            self._leave_out(name, what, "look at the files and the transforms of the loader")
        else:
            self.skipped[name] = 0
        return not bad

    def _leave_out(self, name: str, what: str, remedy: str) -> None:
        if self.action == "raise":
            raise Divergence(f"{what}: {remedy}, or let the guard clip or skip it")
        row = self.skipped[name] = self.skipped.get(name, 0) + 1
        _log.warning("%s: update left out (%d in a row)", what, row)
        if row >= self.patience:
            raise Divergence(
                f"{what}; {row} updates in a row were left out: {remedy}; "
                "the last good checkpoint stays"
            )
