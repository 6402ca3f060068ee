r"""What masks are worth: exact, coarse, moved, missing or learned ones on the training images.

    python -m benchmarks.masks --settings digits-box digits-dilated digits-eroded digits-shifted \
        digits-half digits-learned
    python -m benchmarks.masks --path FASHION --settings wear-box wear-dilated wear-eroded \
        wear-shifted wear-half wear-learned
    python -m benchmarks.masks --path PETS --weights LITE0.safetensors --settings pets-box \
        pets-learned

Exact masks are in the tables of benchmarks.digits, benchmarks.wear and benchmarks.pets. Keeps its
runs in runs/masks, writes docs/results/masks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from benchmarks.digits import STUDY as DIGITS
from benchmarks.digits import alpha_08
from benchmarks.study import Study, Variant, main
from causalogit.config import RunConfig
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


STUDY = Study(
    name="masks",
    settings={
        f"{name}-{kind}": masked(config, *masks)
        for name, config in SETS.items()
        for kind, masks in KINDS.items()
    },
    methods=("erm_factual", "clp_factual"),
    variants=(Variant("product_of_experts", "alpha 0.8", alpha_08),),
    metrics=DIGITS.metrics,
    against=("clp_factual",),
)

if __name__ == "__main__":
    main(STUDY, __doc__)
