"""Wrong labels: CIFAR-10 (flip 40 %, uniform 60 %) and Fashion-MNIST, every control, five seeds.

    python -m benchmarks.noise --path CIFAR10 --settings cifar10-flip-40 cifar10-uniform-60
    python -m benchmarks.noise --path FASHION --settings fashion-flip-40 fashion-uniform-60
    python -m benchmarks.noise                     # all four; what is missing is downloaded

CIFAR10 and FASHION are folders that hold the data sets. Keeps its runs in runs/noise, writes
docs/results/noise.
"""

from __future__ import annotations

from benchmarks.long_tail import target_5
from benchmarks.study import Study, Variant, main
from causalogit.presets import load_preset

STUDY = Study(
    name="noise",
    settings={
        name: load_preset(f"{name}-small")
        for name in (
            "cifar10-flip-40", "cifar10-uniform-60", "fashion-flip-40", "fashion-uniform-60",
        )
    },
    methods=(
        "erm", "erm_meta", "logit_adjustment", "mixup", "co_teaching", "gold_loss_correction",
        "jtt", "dfr", "meta_weight_net", "meta_lp", "clp_adjusted",
        "erm_meta_augmented", "dfr_augmented", "clp",
    ),
    variants=(Variant("meta_lp", "target 5", target_5),),
    metrics={"accuracy/test_mean": "average", "accuracy/worst_class": "worst class"},
    against=("meta_lp", "clp_adjusted", "clp"),
)  # fmt: skip

if __name__ == "__main__":
    main(STUDY, __doc__)
