"""Subpopulation shift on coloured digits: every control of every budget, five seeds.

    python -m benchmarks.digits

Keeps its runs in runs/digits (a stopped study goes on), writes docs/results/digits.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.study import Study, Variant, main
from causalogit.config import RunConfig

METHODS = (
    "group_balanced", "group_dro", "lisa", "logit_correction", "erm", "erm_meta", "jtt", "dfr",
    "meta_weight_net", "meta_lp", "erm_meta_augmented", "dfr_augmented", "clp", "erm_factual",
    "erm_factual_meta", "erm_factual_meta_augmented", "erm_counterfactual",
    "erm_factual_counterfactual", "clp_factual",
)  # fmt: skip
"""Those that a spurious background calls for; the product of experts beside them."""


def alpha_08(config: RunConfig) -> RunConfig:
    """The product's strength that the study `benchmarks.recipe` found better than the default."""
    return replace(config, controls=replace(config.controls, product_alpha=0.8))


def at_a_pace(config: RunConfig) -> RunConfig:
    """A fixed perturbation at the recipe's pace: without one it stands still at strong biases."""
    return replace(config, controls=replace(config.controls, pace=10.0))


def paced(config: RunConfig) -> RunConfig:
    """The product at its best in `benchmarks.strength`, by test figures: in its own favour."""
    config = at_a_pace(config)
    return replace(config, controls=replace(config.controls, product_alpha=0.9))


CORRECTION = Variant("logit_correction", "paced", at_a_pace)
"""Beside it as its authors have it."""


def looks_after(epochs: int) -> Variant:
    """JTT that looks for errors after so many epochs, which its authors chose for each set."""

    def change(config: RunConfig) -> RunConfig:
        return replace(config, controls=replace(config.controls, jtt_epochs=epochs))

    return Variant("jtt", f"after {epochs} epochs", change)


JTTS = tuple(looks_after(epochs) for epochs in (2, 3, 5))
"""Beside the default, one epoch: all stand in the tables, so none is chosen for it."""


def decaying(decay: float) -> Variant:
    """GroupDRO with a weight decay of its own: its authors found that it needs a strong one."""

    def change(config: RunConfig) -> RunConfig:
        return replace(config, optimizer=replace(config.optimizer, weight_decay=decay))

    return Variant("group_dro", f"weight decay {decay:g}", change)


DROS = tuple(decaying(decay) for decay in (0.001, 0.01, 0.1))
"""Beside that of all others; all stand in the tables."""

PRODUCTS = (
    Variant("product_of_experts", "alpha 0.8", alpha_08),
    Variant("product_of_experts", "alpha 0.9, paced", paced),
)

STUDY = Study(
    name="digits",
    settings={"0.95": RunConfig()},
    methods=METHODS,
    variants=(CORRECTION, *DROS, *JTTS, *PRODUCTS),
    metrics={
        "accuracy/test_mean": "average",
        "accuracy/train_weighted": "train-weighted",
        "accuracy/worst_group": "worst group",
    },
    against=("clp", "clp_factual"),
)

if __name__ == "__main__":
    main(STUDY, __doc__)
