"""What is mended, with which photos, and how it is trained: one frozen, typed config."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from causalogit.auditing import AuditConfig, ModelConfig, PhotosConfig
from causalogit.config import (
    ClpConfig,
    ControlsConfig,
    DataConfig,
    OptimizerConfig,
    RunConfig,
)
from causalogit.config.check import Section, require
from causalogit.presets import load_preset

OWN = ""
"""`data.source` where the photos are those of the checkpoint's own run."""


@cache
def _recipe() -> RunConfig:
    """How a trained backbone is trained further: as the study of pets does it, but for longer.

    What the classifier has learned of backgrounds must be unlearned first: 3, 6 and 10 epochs leave
    81, 89 and 93 % of the validation digits right.
    """
    recipe = load_preset("waterbirds-small")
    return replace(recipe, optimizer=replace(recipe.optimizer, epochs=6))


@dataclass(frozen=True)
class FixConfig(Section):
    """One fix: two audits and the training in between.

    Args:
        model: how a classifier from elsewhere is read, as for an audit.
        data: the photos, as for training; without data.source those of the checkpoint's own run.
            Before and after are measured on its test split; without splits of its own, a part is
            held out.
        segmenter: what finds the objects where there are no masks, by its name, see `causalogit
            masks`.
        segmenter_path: file of the segmenter's weights, in place of their download.
        method: how to train, see `causalogit methods`; null for clp_factual where the training
            photos have masks, and erm_meta_augmented where the meta photos alone have them.
        seed: of the split and every random draw; null for that of the checkpoint's own run, or 0.
        select_by: validation metric that picks the epoch; null for the last epoch: validation
            photos that are as biased as those for training would pick one that goes by the
            background.
        precision: as Lightning Fabric names it.
        checkpoint_every: training steps between checkpoints; 0 for one an epoch.
        optimizer: of the training; by default what suits a trained backbone.
        clp: Causal Logit Perturbation.
        controls: options of single controls.
        batch_size: photos in a batch of the audits.
        device: "cpu", "cuda", or "auto" for the GPU where there is one.
        threshold: share of the answers from which on a reliance on the background counts.
        attention: photos whose attention is mapped, at most.
        most_groups: groups of backgrounds that are looked for, at most.
        onnx: write the new model as ONNX as well.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=lambda: DataConfig(source=OWN))
    segmenter: str | None = None
    segmenter_path: str | None = None
    method: str | None = None
    seed: int | None = None
    select_by: Literal["accuracy/mean", "accuracy/worst_group"] | None = None
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    checkpoint_every: int = 0
    optimizer: OptimizerConfig = field(default_factory=lambda: _recipe().optimizer)
    clp: ClpConfig = field(default_factory=lambda: _recipe().clp)
    controls: ControlsConfig = field(default_factory=lambda: _recipe().controls)
    batch_size: int = 64
    device: str = "auto"
    threshold: float = 0.1
    attention: int = 100
    most_groups: int = 8
    onnx: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.audit_config(self.data, 0)  # refuses what an audit would
        require(
            self.data.source != OWN or self.data == DataConfig(source=OWN),
            "options of the data are given, but no data.source: give the folder CLASS/PHOTO or the "
            "table as well; without it a checkpoint's own run says all of its data",
        )

    def audit_config(self, data: DataConfig, seed: int) -> AuditConfig:
        """The config of both audits, on these data."""
        photos = PhotosConfig(data.source, data.path, data.mask_path, data.image_size, split="test")
        return AuditConfig(
            model=self.model,
            data=photos,
            segmenter=self.segmenter,
            segmenter_path=self.segmenter_path,
            batch_size=self.batch_size,
            seed=seed,
            device=self.device,
            threshold=self.threshold,
            attention=self.attention,
            most_groups=self.most_groups,
        )
