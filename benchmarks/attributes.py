"""Attributes that are no places: the object's own colour (digits) and texture (Fashion-MNIST).

    python -m benchmarks.attributes --settings colour
    python -m benchmarks.attributes --settings texture --path FASHION

FASHION is a folder of the idx files; without it the data set is downloaded. Keeps its runs in
runs/attributes, writes docs/results/attributes.
"""

from __future__ import annotations

from benchmarks.digits import CORRECTION, JTTS, METHODS
from benchmarks.digits import STUDY as DIGITS
from benchmarks.study import Study, main
from causalogit.config import (
    AttributeConfig,
    ClpConfig,
    ControlsConfig,
    DataConfig,
    RunConfig,
)

TOPS = ("T-shirt", "pullover", "dress", "coat", "shirt")
"""The five that differ least: their shape decides."""

COLOUR = RunConfig(
    data=DataConfig(attribute=AttributeConfig(kind="colour")),
    clp=ClpConfig(factual="recolour", counterfactual="shuffle", expert_fill="shuffle"),
    controls=ControlsConfig(train_fill="recolour"),
)
TEXTURE = RunConfig(
    data=DataConfig(
        source="fashion_mnist",
        classes={name: (name,) for name in TOPS},
        largest_class=700,
        validation_size=500,
        attribute=AttributeConfig(kind="texture"),
    ),
    clp=ClpConfig(factual="retexture", counterfactual="patches", expert_fill="patches"),
    controls=ControlsConfig(train_fill="retexture"),
)

STUDY = Study(
    name="attributes",
    settings={"colour": COLOUR, "texture": TEXTURE},
    methods=(*METHODS, "product_of_experts"),
    variants=(CORRECTION, *JTTS),
    metrics=DIGITS.metrics,
    against=("clp", "clp_factual"),
)

if __name__ == "__main__":
    main(STUDY, __doc__)
