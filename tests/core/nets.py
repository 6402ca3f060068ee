"""Small classifiers, optimizers and batches that the whole room shares."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, AdamW, Optimizer

from causalogit.core import Classifier, PerturbedLogits, TrainingLoss, VirtualStep
from causalogit.core.forward_mode import Tape

MakeOptimizer = Callable[[nn.Module], Optimizer]


def small_net(num_classes: int = 3, channels: int = 2, dropout: float = 0.3) -> nn.Sequential:
    """Convolution, batch norm, dropout, two linear layers; for images `(B, channels, 5, 5)`."""
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, bias=False),  # batch norm takes a bias away
        nn.BatchNorm2d(4),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(36, 6),
        nn.Dropout(dropout),
        nn.ReLU(),
        nn.Linear(6, num_classes),
    )


def sgd_in_groups(model: nn.Module) -> Optimizer:
    """Weights and biases in groups of their own rates and settings."""
    weights = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    return SGD(
        [
            {"params": weights, "lr": 0.1, "weight_decay": 1e-2, "momentum": 0.9},
            {"params": rest, "lr": 0.03, "momentum": 0.5, "nesterov": True},
        ]
    )


OPTIMIZERS: dict[str, MakeOptimizer] = {
    "sgd": lambda m: SGD(m.parameters(), lr=0.1),
    "decay": lambda m: SGD(m.parameters(), lr=0.1, weight_decay=1e-2),
    "momentum": lambda m: SGD(m.parameters(), lr=0.1, momentum=0.9),
    "dampening": lambda m: SGD(m.parameters(), lr=0.1, momentum=0.9, dampening=0.4),
    "nesterov": lambda m: SGD(
        m.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-3
    ),
    "groups": sgd_in_groups,
    "adam": lambda m: Adam(m.parameters(), lr=0.01),
    "adam_decay": lambda m: Adam(m.parameters(), lr=0.01, weight_decay=0.1, betas=(0.8, 0.95)),
    "adamw": lambda m: AdamW(m.parameters(), lr=0.01, weight_decay=0.1),
}


def draws(seed: int) -> torch.Generator:
    """A random stream on the device of the test."""
    return torch.Generator(device_of_the_test()).manual_seed(seed)


def device_of_the_test() -> torch.device:
    """Of new tensors; `torch.get_default_device` of 2.6 fails once there was another one."""
    return torch.empty(0).device


def random_state() -> Tensor:
    """The global random states of the CPU and of every GPU, one after the other."""
    return torch.cat([torch.get_rng_state(), *torch.cuda.get_rng_state_all()])


def set_random_state(state: Tensor) -> None:
    """The inverse of `random_state`."""
    size = len(torch.get_rng_state())
    torch.set_rng_state(state[:size])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(list(state[size:].chunk(torch.cuda.device_count())))


def batch(
    size: int, side: int = 5, channels: int = 2, num_classes: int = 3, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Gaussian images `(size, channels, side, side)` and random labels, in the default type."""
    generator = draws(seed)
    images = torch.randn(size, channels, side, side, generator=generator)
    return images, torch.randint(num_classes, (size,), generator=generator)


def plain_step(
    model: nn.Module,
    optimizer: Optimizer,
    images: Tensor,
    labels: Tensor,
    delta: Tensor | None = None,
) -> None:
    """What every training loop does, with a perturbation of the logits if there is one."""
    optimizer.zero_grad()
    logits = model(images)
    F.cross_entropy(logits if delta is None else logits + delta, labels).backward()
    optimizer.step()


def virtual_step(
    model: nn.Module,
    optimizer: Optimizer,
    images: Tensor,
    labels: Tensor,
    output: Tensor,
    loss: TrainingLoss | None = None,
) -> VirtualStep:
    """The forward pass of a batch, on a tape, and what Eq. 8 needs of it."""
    last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    classifier = Classifier(model, last.out_features)
    restore, buffers = classifier.random_state(), classifier.buffer_state()
    with Tape() as tape:
        logits, features = classifier(images)
    loss = loss or PerturbedLogits()
    return VirtualStep(
        classifier, optimizer, images, labels, logits, features, output, loss, {}, restore,
        buffers, tape=tape,
    )  # fmt: skip
