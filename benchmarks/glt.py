"""Generalized long tails on MNIST: classes and background colours unequal, protocols CLT, GLT, ALT.

    python -m benchmarks.glt --path MNIST

MNIST is a folder of the idx files; without it the data set is downloaded. Keeps its runs in
runs/glt, writes docs/results/glt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from benchmarks.long_tail import LDAM, target_5
from benchmarks.study import Study, Variant, main
from causalogit.config import RunConfig
from causalogit.presets import load_preset


def under(protocol: Literal["clt", "glt", "alt"]) -> RunConfig:
    """The preset under one of the three protocols."""
    config = load_preset("colour-mnist-glt-small")
    attribute = replace(config.data.attribute, protocol=protocol)
    return replace(config, data=replace(config.data, attribute=attribute))


STUDY = Study(
    name="glt",
    settings={"CLT": under("clt"), "GLT": under("glt"), "ALT": under("alt")},
    methods=(
        "group_balanced", "group_dro", "lisa", "logit_correction", "erm", "erm_meta",
        "class_balanced", "logit_adjustment", "jtt", "dfr", "meta_weight_net", "meta_lp",
        "erm_meta_augmented", "dfr_augmented", "clp", "erm_factual", "erm_factual_meta",
        "erm_factual_meta_augmented", "erm_counterfactual", "erm_factual_counterfactual",
        "product_of_experts", "clp_factual",
    ),
    variants=(LDAM, Variant("meta_lp", "target 5", target_5)),
    metrics={
        "accuracy/test_mean": "accuracy",
        "precision/test_mean": "precision",
        "accuracy/worst_class": "worst class",
    },
    against=("meta_lp", "clp", "clp_factual"),
)  # fmt: skip

if __name__ == "__main__":
    main(STUDY, __doc__)
