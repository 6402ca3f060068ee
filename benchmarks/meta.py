r"""How small, how unbalanced and how wrong the meta set may be.

    python -m benchmarks.meta --settings labels-1 labels-5 labels-10 labels-20 labels-50 \
        labels-noisy --path FASHION
    python -m benchmarks.meta --settings boxes-1 boxes-10 boxes-50 boxes-like-training

Wrong labels (Fashion-MNIST, 40 % flipped) in budget A, coloured digits with boxes in budget C; with
20 a class those are in the tables of benchmarks.digits and, where they see masks, benchmarks.masks.
Keeps its runs in runs/meta, writes docs/results/meta.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.digits import STUDY as DIGITS
from benchmarks.masks import masked
from benchmarks.study import Study, main
from causalogit.config import MetaConfig, RunConfig
from causalogit.presets import load_preset

WITH_LABELS = {str(size): MetaConfig(per_class=size) for size in (1, 5, 10, 20, 50)} | {
    "noisy": MetaConfig(per_class=10, labels="like_training")
}
WITH_BOXES = {str(size): MetaConfig(per_class=size) for size in (1, 10, 50)} | {
    "like-training": MetaConfig(per_class=10, drawn="like_training")
}
LABELS = ("erm", "erm_meta", "dfr", "meta_weight_net", "meta_lp", "clp_adjusted")
BOXES = (
    "erm_factual", "erm_factual_meta", "erm_factual_meta_augmented",
    "erm_meta_augmented", "dfr_augmented", "clp_factual",
)  # fmt: skip


def with_meta(config: RunConfig, meta: MetaConfig) -> RunConfig:
    """The config with this meta set."""
    return replace(config, data=replace(config.data, meta=meta))


_LABELS = {
    f"labels-{name}": with_meta(load_preset("fashion-flip-40-small"), meta)
    for name, meta in WITH_LABELS.items()
}
_BOXES = {
    f"boxes-{name}": with_meta(masked(DIGITS.settings["0.95"], "box", 1.0), meta)
    for name, meta in WITH_BOXES.items()
}

STUDY = Study(
    name="meta",
    settings=_LABELS | _BOXES,
    methods=(*LABELS, *BOXES),
    variants=(),
    metrics=DIGITS.metrics,
    against=("clp_adjusted", "clp_factual"),
    lines_of=dict.fromkeys(_LABELS, LABELS) | dict.fromkeys(_BOXES, BOXES),
)

if __name__ == "__main__":
    main(STUDY, __doc__)
