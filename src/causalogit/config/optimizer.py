"""How the classifier is optimized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from causalogit.config.check import Section, require


@dataclass(frozen=True)
class OptimizerConfig(Section, prefix="optimizer."):
    """How the classifier is optimized.

    Args:
        name: the optimizer.
        learning_rate: its rate at the start.
        momentum: of SGD.
        nesterov: Nesterov's form of the momentum.
        weight_decay: its weight decay.
        schedule: one cosine to zero, constant, or a step down at each milestone.
        milestones: epochs at which the schedule "step" lowers the rate.
        step_factor: what the schedule "step" multiplies the rate with.
        epochs: passes over the training images.
        batch_size: training images in a batch; of several processes all together have as many.
        pieces: parts that a batch goes through the classifier in, one after the other (gradient
            accumulation): it takes the memory of one part, and one forward pass more. Batch norm
            sees the parts.
    """

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    milestones: tuple[int, ...] = ()
    step_factor: float = 0.1
    epochs: int = 20
    batch_size: int = 32
    pieces: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.learning_rate > 0,
            f"optimizer.learning_rate is {self.learning_rate}: give a positive rate",
        )
        for name in ("momentum", "weight_decay"):
            value = getattr(self, name)
            require(value >= 0, f"optimizer.{name} is {value}: give 0 or more")
        require(
            0 < self.step_factor <= 1,
            f"optimizer.step_factor is {self.step_factor}: give a factor above 0, up to 1",
        )
        require(self.epochs > 0, f"optimizer.epochs is {self.epochs}: give at least 1")
        require(self.batch_size > 0, f"optimizer.batch_size is {self.batch_size}: give at least 1")
        require(self.pieces > 0, f"optimizer.pieces is {self.pieces}: give at least 1")
        require(
            not self.nesterov or self.momentum > 0,
            "optimizer.nesterov needs a momentum: set optimizer.momentum above 0",
        )
