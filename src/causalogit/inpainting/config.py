"""What an inpainter is trained on, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, field

from causalogit.config import DataConfig
from causalogit.config.check import Section, require, require_seed


@dataclass(frozen=True)
class InpaintingConfig(Section):
    """The training of an inpainter.

    Args:
        data: the images, with masks; as for `causalogit train`, so that the inpainter sees the
            training images of the same seed alone.
        seed: of the split, the initial weights and every random draw.
        steps: of training.
        batch_size: images in a step.
        width: channels of the first layers; twice as many after every halving of the image.
        adversarial_weight: of what a critic says of the painted images, beside their distance from
            the true ones; 0 leaves the critic out, for smoother fills.
        device: "cpu", "cuda", or "auto" for the GPU where there is one.
    """

    data: DataConfig = field(default_factory=DataConfig)
    seed: int = 0
    steps: int = 2000
    batch_size: int = 16
    width: int = 16
    adversarial_weight: float = 0.05
    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seed("seed", self.seed)
        for name in ("steps", "width"):
            require(getattr(self, name) > 0, f"{name} is {getattr(self, name)}: give at least 1")
        require(
            self.batch_size > 1,
            f"batch_size is {self.batch_size}: give at least 2, since an image's hole has the "
            "shape of another one's object",
        )
        require(
            self.adversarial_weight >= 0,
            f"adversarial_weight is {self.adversarial_weight}: give 0 or more",
        )
