r"""What masks are worth: exact, coarse, moved, missing, learned or found ones in training.

    python -m benchmarks.masks --settings digits-box digits-dilated digits-eroded digits-shifted \
        digits-half digits-learned
    python -m benchmarks.masks --path FASHION --settings wear-box wear-learned
    python -m benchmarks.masks --path PETS --weights LITE0.safetensors --settings pets-box \
        pets-learned
    python -m benchmarks.u2netp
    causalogit masks --source PETS --origin segmenter --segmenter u2netp --out FOUND
    python -m benchmarks.masks --path PETS --weights LITE0.safetensors --masks FOUND \
        --settings pets-u2netp

Exact masks are in the tables of benchmarks.digits, benchmarks.wear and benchmarks.pets. Keeps its
runs in runs/masks, writes docs/results/masks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from benchmarks.digits import PRODUCTS
from benchmarks.digits import STUDY as DIGITS
from benchmarks.study import Study, Variant, main
from causalogit.config import NetworkConfig, RunConfig
from causalogit.presets import load_preset

Masks = Literal["exact", "box", "dilated", "eroded", "shifted", "learned"]
KINDS: dict[str, tuple[Masks, float]] = {
    "box": ("box", 1.0),
    "dilated": ("dilated", 1.0),
    "eroded": ("eroded", 1.0),
    "shifted": ("shifted", 1.0),
    "half": ("exact", 0.5),
    "learned": ("learned", 1.0),
}
"""What `data.masks` and `data.masked_share` are."""

SETS = {
    "digits": DIGITS.settings["0.95"],
    "wear": load_preset("wear-on-scenes-small"),
    "pets": load_preset("waterbirds-small"),
}


def masked(config: RunConfig, masks: Masks, share: float) -> RunConfig:
    """The config with these masks on its training images."""
    return replace(config, data=replace(config.data, masks=masks, masked_share=share))


def _unperturbed(config: RunConfig) -> RunConfig:
    network = NetworkConfig(form="expert", bound=1e-9, learning_rate=0.0, gated=False)
    return replace(config, clp=replace(config.clp, network=network))


UNPERTURBED = Variant("clp_factual", "held at 0", _unperturbed)
"""The recipe's training, meta loss and refit; its perturbation is as good as none."""

STUDY = Study(
    name="masks",
    settings={
        f"{name}-{kind}": masked(config, *masks)
        for name, config in SETS.items()
        for kind, masks in KINDS.items()
        if name == "digits" or kind in ("box", "learned")  # a run takes minutes elsewhere
    }
    | {"pets-u2netp": SETS["pets"]},  # their masks come by --masks
    methods=(
        "erm_factual",
        "erm_factual_meta",
        "erm_factual_meta_augmented",
        "erm_counterfactual",
        "erm_factual_counterfactual",
        "clp_factual",
    ),
    variants=(UNPERTURBED, *PRODUCTS),
    metrics=DIGITS.metrics,
    against=("clp_factual",),
)

if __name__ == "__main__":
    main(STUDY, __doc__)
