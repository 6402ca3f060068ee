"""Choose the recipe of budget C, and the settings of its controls, on validation data alone.

    python -m benchmarks.recipe

Coloured digits with exact masks and with boxes, seeds 10 to 14, which no reported table uses; rows
hold validation figures, and no test figure is read. Keeps its runs in runs/recipe and writes
docs/results/recipe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from benchmarks.masks import masked
from benchmarks.study import Study, Variant, main
from causalogit.config import (
    ControlsConfig,
    DataConfig,
    ExpertName,
    FormName,
    LookName,
    NetworkConfig,
    RunConfig,
)

# nearly all held-out images validate: 55 a group instead of 16
CONFIG = RunConfig(data=DataConfig(validation_size=1375, test_size=25))
FILLS: tuple[LookName, ...] = ("random", "mixed_rand", "shuffle")

METRICS = {
    "validation/accuracy/mean": "validation average",
    "validation/accuracy/worst_group": "validation worst group",
}


def filled(fill: LookName) -> Variant:
    """Factual augmentation with this fill."""
    return Variant(
        "erm_factual",
        fill,
        lambda config: replace(config, controls=ControlsConfig(train_fill=fill)),
    )


def product(alpha: float, epochs: int) -> Variant:
    """The product of experts at this strength, its expert trained for so long."""

    def change(config: RunConfig) -> RunConfig:
        clp = replace(config.clp, expert_epochs=epochs)
        return replace(config, clp=clp, controls=ControlsConfig(product_alpha=alpha))

    return Variant("product_of_experts", f"alpha {alpha:g}, expert {epochs} epochs", change)


def network(
    form: FormName, bound: float, rate: float = 1e-3, *, gated: bool = False
) -> NetworkConfig:
    """A perturbation network with nothing left to the method."""
    return NetworkConfig(form, bound, rate, gated=gated)


def said(
    chosen: NetworkConfig, pace: float | None = None, expert: ExpertName | None = None
) -> Callable[[RunConfig], RunConfig]:
    """CLP with this network, pace and expert."""

    def change(config: RunConfig) -> RunConfig:
        return replace(config, clp=replace(config.clp, network=chosen, pace=pace, expert=expert))

    return change


STUDY = Study(
    name="recipe",
    settings={"exact": CONFIG, "boxes": masked(CONFIG, "box", 1.0)},
    methods=(),
    variants=(
        *(filled(fill) for fill in FILLS),
        *(product(alpha, epochs) for alpha, epochs in ((0.8, 3), (0.8, 5), (1.0, 3), (1.0, 5))),
        Variant("clp_factual", "contrast 1", said(network("contrast", 1.0, 1e-2), 1.0)),
        Variant("clp_factual", "expert b", said(network("expert", 1.0), 10.0, "background")),
        Variant("clp_factual", "expert v, no pace", said(network("expert", 1.0), 1.0)),
        Variant("clp_factual", "expert v", said(network("expert", 1.0), 10.0)),
        Variant("clp_factual", "expert v, gated", said(network("expert", 1.0, gated=True), 10.0)),
        Variant("clp_factual", "expert v to 3", said(network("expert", 3.0), 10.0)),
        Variant("clp_factual", "expert v and target 5", said(network("expert_target", 5.0))),
        Variant(
            "clp_factual",
            "expert v and target 5, gated",
            said(network("expert_target", 5.0, gated=True)),
        ),
    ),
    metrics=METRICS,
    against=(),
    seeds=tuple(range(10, 15)),
    judged_on="validation",
)

if __name__ == "__main__":
    main(STUDY, __doc__)
