"""Subpopulation shift on wear on scenes: Fashion-MNIST on textured backgrounds, every control.

    python -m benchmarks.wear --path FASHION

FASHION is a folder of the idx files; without it the data set is downloaded. Keeps its runs in
runs/wear, writes docs/results/wear.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.digits import CORRECTION, DROS, METHODS
from benchmarks.digits import STUDY as DIGITS
from benchmarks.study import main
from causalogit.presets import load_preset

STUDY = replace(
    DIGITS,
    name="wear",
    settings={"0.95": load_preset("wear-on-scenes-small")},
    methods=(*METHODS, "product_of_experts"),
    variants=(CORRECTION, *DROS),
)

if __name__ == "__main__":
    main(STUDY, __doc__)
