"""The classifier's optimizer and its schedule, from a config."""

from __future__ import annotations

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LRScheduler,
    MultiStepLR,
)

from causalogit.config import OptimizerConfig


def build_optimizer(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """SGD, Adam or AdamW over all trainable parameters."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    if config.name == "sgd":
        return SGD(
            parameters,
            config.learning_rate,
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=config.weight_decay,
        )
    kind = Adam if config.name == "adam" else AdamW
    return kind(parameters, config.learning_rate, weight_decay=config.weight_decay)


def build_schedule(optimizer: Optimizer, config: OptimizerConfig) -> LRScheduler:
    """The rate of every epoch; stepped once an epoch."""
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, config.epochs)
    if config.schedule == "step":
        return MultiStepLR(optimizer, list(config.milestones), gamma=config.step_factor)
    return ConstantLR(optimizer, factor=1.0, total_iters=0)
