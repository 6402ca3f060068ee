r"""Choose the recipe of budget A on validation data alone.

    python -m benchmarks.recipe_labels --settings lt-100 lt-10 --path CIFAR10
    python -m benchmarks.recipe_labels --settings flip-40 uniform-60 --path FASHION

Long tails on CIFAR-10 and wrong labels on Fashion-MNIST, seeds 10 to 14, which no reported table
uses; rows hold validation figures, and no test figure is read. Keeps its runs in
runs/recipe_labels and writes docs/results/recipe_labels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.recipe import choice, network, with_clp
from benchmarks.study import Variant, main
from causalogit.config import RunConfig
from causalogit.presets import load_preset

PRESETS = {
    "lt-100": "cifar10-lt-100-small",
    "lt-10": "cifar10-lt-10-small",
    "flip-40": "fashion-flip-40-small",
    "uniform-60": "fashion-uniform-60-small",
}


def _many_validate(preset: str) -> RunConfig:
    config = load_preset(preset)
    return replace(config, data=replace(config.data, validation_size=5000))


def speaking(method: str, label: str, *chosen: Any, **more: Any) -> Variant:
    """A method with this perturbation network."""
    return Variant(method, label, with_clp(network=network(*chosen, **more)))


STUDY = choice(
    name="recipe_labels",
    settings={name: _many_validate(preset) for name, preset in PRESETS.items()},
    methods=("logit_adjustment", "meta_weight_net"),
    variants=(
        speaking("meta_lp", "vector 1", "vector", 1.0),
        speaking("meta_lp", "target 5", "target", 5.0),
        speaking("meta_lp", "target 5, gated", "target", 5.0, gated=True),
        speaking("clp_adjusted", "expert", "expert", 1.0),
        speaking("clp_adjusted", "target 1", "expert_target", 1.0),
        speaking("clp_adjusted", "target 5", "expert_target", 5.0),
        speaking("clp_adjusted", "target 5, slow", "expert_target", 5.0, 1e-4),
        speaking("clp_adjusted", "target 1, gated", "expert_target", 1.0, gated=True),
        speaking("clp_adjusted", "target 5, gated", "expert_target", 5.0, gated=True),
    ),
)

if __name__ == "__main__":
    main(STUDY, __doc__)
