"""Long tails: CIFAR-10-LT at 100:1 and 10:1, a small network, every control, five seeds.

    python -m benchmarks.long_tail --path CIFAR10

CIFAR10 is a folder of torchvision's files, of images, or an archive of images; without it the data
set is downloaded. Keeps its runs in runs/long_tail, writes docs/results/long_tail.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.study import Study, Variant, main
from causalogit.config import NetworkConfig, RunConfig
from causalogit.presets import load_preset


def target_5(config: RunConfig) -> RunConfig:
    """The perturbation on the label's logit alone, up to 5."""
    return replace(config, clp=replace(config.clp, network=NetworkConfig("target", 5.0)))


def rate_001(config: RunConfig) -> RunConfig:
    """A tenth of the rate, for LDAM: its scale of 30 makes gradients as much larger.

    On validation images (seed 10) it has 43 % at 100:1 with this rate, 37 % with that of the
    others; under GLT 83 % and 63 %.
    """
    return replace(config, optimizer=replace(config.optimizer, learning_rate=0.01))


LDAM = Variant("ldam_drw", "rate 0.01", rate_001)

METRICS = {
    "accuracy/test_mean": "average",
    "accuracy/many": "many",
    "accuracy/medium": "medium",
    "accuracy/few": "few",
    "accuracy/worst_class": "worst class",
}

STUDY = Study(
    name="long_tail",
    settings={
        "100:1": load_preset("cifar10-lt-100-small"),
        "10:1": load_preset("cifar10-lt-10-small"),
    },
    methods=(
        "erm", "erm_meta", "class_balanced", "focal", "class_balanced_focal", "logit_adjustment",
        "mixup", "crt", "tau_norm", "jtt", "dfr", "meta_weight_net", "meta_lp", "clp_adjusted",
        "erm_meta_augmented", "dfr_augmented", "clp",
    ),
    variants=(LDAM, Variant("meta_lp", "target 5", target_5)),
    metrics=METRICS,
    against=("meta_lp", "clp_adjusted", "clp"),
)  # fmt: skip

if __name__ == "__main__":
    main(STUDY, __doc__)
