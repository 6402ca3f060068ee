"""Options of single controls."""

from __future__ import annotations

from dataclasses import dataclass

from causalogit.config.check import Section, require
from causalogit.config.names import LookName


@dataclass(frozen=True)
class ControlsConfig(Section, prefix="controls."):
    """What single controls need.

    Args:
        train_fill: fill of the background where a method augments training images, or another look
            of the object, as in clp.factual.
        product_alpha: fixed strength of the expert in the product of experts.
        pace: largest factor on the training loss of the product of experts and of logit correction,
            as clp.pace; 1 is off.
        group_dro_step: step size of GroupDRO's group weights.
        effective_number_beta: beta of the class weights of the class-balanced losses and of
            LDAM-DRW; 0 weighs all classes alike, 1 would weigh them by one over their size.
        focal_gamma: how much less the focal loss counts what the classifier is sure of; 0 is
            cross-entropy.
        logit_adjustment_tau: weight of the classes' log frequencies on the logits.
        ldam_drw_start: share of the epochs after which LDAM-DRW weighs the classes, best where the
            schedule lowers the rate; 1 is LDAM.
        mixup_alpha: of the Beta distribution of mixing shares; null for the method's own choice
            (mixup 1, LISA 2).
        lisa_same_label: share of LISA's batches that mix images of one label; the others mix images
            of one attribute.
        crt_epochs: passes that retrain the last layer (classifier re-training).
        jtt_epochs: passes after which JTT looks which training images are still wrong.
        jtt_weight: how many times as often those are drawn.
        co_teaching_forget_rate: share of each batch that co-teaching leaves out in the end: the
            share of wrong labels, as far as it is known.
    """

    train_fill: LookName = "random"
    product_alpha: float = 1.0
    pace: float = 1.0
    group_dro_step: float = 0.01
    effective_number_beta: float = 0.9999
    focal_gamma: float = 1.0
    logit_adjustment_tau: float = 1.0
    ldam_drw_start: float = 0.8
    mixup_alpha: float | None = None
    lisa_same_label: float = 0.5
    crt_epochs: int = 10
    jtt_epochs: int = 1
    jtt_weight: float = 20.0
    co_teaching_forget_rate: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("effective_number_beta", "co_teaching_forget_rate"):
            share = getattr(self, name)
            require(
                0 <= share < 1, f"controls.{name} is {share}: give a number from 0, and below 1"
            )
        for name in ("ldam_drw_start", "lisa_same_label"):
            share = getattr(self, name)
            require(0 <= share <= 1, f"controls.{name} is {share}: give a share between 0 and 1")
        for name in ("product_alpha", "group_dro_step", "focal_gamma", "logit_adjustment_tau"):
            value = getattr(self, name)
            require(value >= 0, f"controls.{name} is {value}: give 0 or more")
        for name in ("pace", "crt_epochs", "jtt_epochs", "jtt_weight"):
            value = getattr(self, name)
            require(value >= 1, f"controls.{name} is {value}: give at least 1")
        require(
            self.mixup_alpha is None or self.mixup_alpha > 0,
            f"controls.mixup_alpha is {self.mixup_alpha}: give a number above 0, or null",
        )
