r"""What the cheaper schemes of a step cost in points.

    python -m benchmarks.schemes --settings digits-box
    python -m benchmarks.schemes --path CIFAR10 --settings long-tail

Coloured digits with boxes for masks, and CIFAR-10-LT 10:1 by a small network: where the
perturbation is worth the most. Times of a step are on docs/results/speed. Keeps its runs in
runs/schemes, writes docs/results/schemes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.digits import STUDY as DIGITS
from benchmarks.long_tail import STUDY as LONG_TAIL
from benchmarks.masks import masked
from benchmarks.study import Study, Variant, main
from causalogit.config import RunConfig

SCHEMES: dict[str, dict[str, Any]] = {
    "lagged": {"lagged": True},
    "lagged quarter": {"lagged": True},
    "every 4th": {"every": 4},
    "lagged quarter every 4th": {"lagged": True, "every": 4},
    "last_layer": {"solver": "last_layer"},
}
"""Options of the section `clp`; "quarter" has a quarter of the meta images in a step, too."""


def scheme(method: str, label: str) -> Variant:
    """The method with a cheaper step."""

    def change(config: RunConfig) -> RunConfig:
        size = config.clp.meta_batch_size // (4 if "quarter" in label else 1)
        return replace(config, clp=replace(config.clp, meta_batch_size=size, **SCHEMES[label]))

    return Variant(method, label, change)


METHODS = {"digits-box": "clp_factual", "long-tail": "meta_lp"}
VARIANTS = {name: [scheme(method, label) for label in SCHEMES] for name, method in METHODS.items()}

STUDY = Study(
    name="schemes",
    settings={
        "digits-box": masked(DIGITS.settings["0.95"], "box", 1.0),
        "long-tail": LONG_TAIL.settings["10:1"],
    },
    methods=tuple(METHODS.values()),
    variants=tuple(line for lines in VARIANTS.values() for line in lines),
    metrics={
        "accuracy/test_mean": "average",
        "accuracy/worst_group": "worst group",
        "accuracy/worst_class": "worst class",
    },
    against=tuple(METHODS.values()),
    lines_of={
        name: (method, *(line.name for line in VARIANTS[name])) for name, method in METHODS.items()
    },
)

if __name__ == "__main__":
    main(STUDY, __doc__)
