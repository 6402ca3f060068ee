"""The look-ahead: where the learned strength of a spurious expert goes, and what holds it.

    python -m benchmarks.strength

Coloured digits, boxes for masks. Keeps its runs in runs/strength, writes docs/results/strength.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.digits import STUDY as DIGITS
from benchmarks.masks import masked
from benchmarks.recipe import network
from benchmarks.study import Study, Variant, main
from causalogit.config import RunConfig


def fixed(alpha: float) -> Variant:
    """The expert at a strength that nothing learns."""

    def change(config: RunConfig) -> RunConfig:
        return replace(config, controls=replace(config.controls, product_alpha=alpha))

    return Variant("product_of_experts", f"alpha {alpha:g}", change)


def learned(
    bound: float, rate: float = 1e-3, pace: float = 1.0, *, gated: bool = False
) -> Callable[[RunConfig], RunConfig]:
    """A strength between 0 and `bound`, by Adam at `rate`."""

    def change(config: RunConfig) -> RunConfig:
        chosen = network("expert", bound, rate, gated=gated)
        return replace(config, clp=replace(config.clp, network=chosen, pace=pace))

    return change


def held(alpha: float) -> Variant:
    """The expert at a strength that nothing learns, at the pace of those that are learned."""
    start = 0.9  # of the bound

    def change(config: RunConfig) -> RunConfig:
        config = learned(alpha / start, rate=0.0, pace=10.0)(config)
        return replace(config, clp=replace(config.clp, every=1_000_000))  # it would learn nothing

    return Variant("clp", f"held at {alpha:g}, paced", change)


STUDY = Study(
    name="strength",
    settings={"boxes": masked(DIGITS.settings["0.95"], "box", 1.0)},
    methods=(),
    variants=(
        *(fixed(alpha) for alpha in (0.5, 0.8, 1.0, 1.5)),
        *(held(alpha) for alpha in (0.5, 0.7, 0.8, 0.9)),
        Variant("clp", "expert to 3", learned(3.0)),
        Variant("clp", "expert to 3, rate 1e-4", learned(3.0, 1e-4)),
        Variant("clp", "expert to 3, gated", learned(3.0, gated=True)),
        Variant("clp", "expert to 3, paced", learned(3.0, pace=10.0)),
        Variant("clp", "expert to 1", learned(1.0)),
        Variant("clp", "expert to 1, paced", learned(1.0, pace=10.0)),
        Variant("clp_factual", "to 3, no pace", learned(3.0)),
        Variant("clp_factual", "to 3", learned(3.0, pace=10.0)),
        Variant("clp_factual", "to 3, gated", learned(3.0, pace=10.0, gated=True)),
        Variant("clp_factual", "to 1, no pace", learned(1.0)),
        Variant("clp_factual", "to 1", learned(1.0, pace=10.0)),
        Variant("clp_factual", "held at 0.9", learned(1.0, rate=0.0, pace=10.0)),
    ),
    metrics=DIGITS.metrics,
    against=(),
    curves={
        "train/delta/alpha": "strength alpha, mean over training images",
        "train/hypergradient/norm": "norm of the hypergradient",
        "train/loss/classifier": "cross-entropy on training batches, nats",
        "validation/accuracy/mean": "validation accuracy",
    },
)

if __name__ == "__main__":
    main(STUDY, __doc__)
