r"""Subpopulation shift on photos: pets on scenes, EfficientNet-Lite0, every control, five seeds.

    causalogit data compose --foregrounds CUTOUTS --backgrounds SCENES --pairs cat=forest dog=sea \
        --correlation 0.9 --size 96 --min_scale 0.7 --max_scale 1 --train 1200 --meta 40 \
        --validation 200 --test 800 --out PETS
    python -m benchmarks.lite0 LITE0.safetensors
    python -m benchmarks.pets --path PETS --weights LITE0.safetensors

Keeps its runs in runs/pets, writes docs/results/pets.
"""

from __future__ import annotations

from benchmarks.digits import CORRECTION, DROS, METHODS
from benchmarks.digits import STUDY as DIGITS
from benchmarks.study import Study, main
from causalogit.presets import load_preset

STUDY = Study(
    name="pets",
    settings={"0.90": load_preset("waterbirds-small")},
    methods=(*METHODS, "product_of_experts"),
    variants=(CORRECTION, *DROS),
    metrics=DIGITS.metrics,
    against=("clp", "clp_factual"),
)

if __name__ == "__main__":
    main(STUDY, __doc__)
