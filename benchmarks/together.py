"""All at once: long tail, wrong labels and a spurious background in one set of coloured digits.

    python -m benchmarks.together

Classes at 10:1, 20 % of the training labels flipped, background colour right in 95 %; with exact
masks and with boxes. Keeps its runs in runs/together, writes docs/results/together.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.digits import CORRECTION, JTTS, METHODS, PRODUCTS
from benchmarks.digits import STUDY as DIGITS
from benchmarks.long_tail import LDAM
from benchmarks.masks import UNPERTURBED, masked
from benchmarks.study import Study, Variant, main
from causalogit.config import LongTailConfig, NoiseConfig, RunConfig


def troubled(config: RunConfig) -> RunConfig:
    """The config with unequal classes and wrong labels."""
    data = replace(config.data, long_tail=LongTailConfig(10.0), noise=NoiseConfig("flip", 0.2))
    return replace(config, data=data)


def told(config: RunConfig) -> RunConfig:
    """Of the share of wrong labels, as co-teaching is by default."""
    return replace(config, clp=replace(config.clp, noise=0.2))


def left_at_chance(config: RunConfig) -> RunConfig:
    """The recipe as it was before it gave a classifier at chance the meta loss."""
    return replace(config, clp=replace(config.clp, meta_until=0.0))


CONFIG = troubled(DIGITS.settings["0.95"])

STUDY = Study(
    name="together",
    settings={"exact": CONFIG, "boxes": masked(CONFIG, "box", 1.0)},
    methods=(
        *METHODS, "class_balanced", "logit_adjustment", "co_teaching", "gold_loss_correction",
    ),
    variants=(
        CORRECTION,
        LDAM,
        *JTTS,
        *PRODUCTS,
        Variant("clp_factual", "noise 0.2", told),
        Variant("clp_factual", "meta until 0", left_at_chance),
        UNPERTURBED,
    ),
    metrics=DIGITS.metrics,
    against=("clp", "clp_factual"),
)  # fmt: skip

if __name__ == "__main__":
    main(STUDY, __doc__)
