"""One step of Causal Logit Perturbation the ways others would write it, for benchmarks.speed.

All know the method through our perturbation network and characteristics; what differs is the
hypergradient of Eq. 9: double backward written plainly, by torchopt, or by higher.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import Adam, Optimizer

from causalogit.core import (
    THE_TEN,
    CharacteristicTable,
    Classifier,
    ClassStatistics,
    PerturbationNetwork,
)

Pair = tuple[Tensor, Tensor]
"""Images `(B, K, H, W)` and labels `(B,)`."""


class Rival(ABC):
    """A step of the classifier and of the perturbation network by an unrolled virtual step.

    Args:
        model: the classifier.
        optimizer: its SGD, without momentum, which torchopt's own state would not share.
        num_classes: C.
        meta: the meta batch.
    """

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, num_classes: int, meta: Pair
    ) -> None:
        self.classifier = Classifier(model, num_classes)
        self.model, self.optimizer, self.meta = model, optimizer, meta
        self.network = PerturbationNetwork(len(THE_TEN), num_classes).to(meta[0].device)
        self.network_optimizer = Adam(self.network.parameters(), 1e-3)
        statistics = ClassStatistics(num_classes).to(meta[0].device)
        self.table = CharacteristicTable(THE_TEN, statistics)

    @abstractmethod
    def meta_loss(self, loss: Callable[[nn.Module], Tensor]) -> Tensor:
        """The meta loss after a virtual step on `loss(model)`, with its graph."""

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Eqs. 8 to 10; the real step has a forward pass of its own, as published code has it."""
        with torch.no_grad():
            logits, features = self.classifier(images)
            weights = self.classifier.head.weight
            inputs = self.network.normalised(self.table(logits, features, weights, labels))
        delta = self.network(inputs, labels)
        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
            meta = self.meta_loss(lambda model: F.cross_entropy(model(images) + delta, labels))
        self.network_optimizer.zero_grad()
        slopes = torch.autograd.grad(meta, list(self.network.parameters()))
        for parameter, slope in zip(self.network.parameters(), slopes, strict=True):
            parameter.grad = slope
        self.network_optimizer.step()
        with torch.no_grad():
            delta = self.network(inputs, labels)
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(images) + delta, labels).backward()
        self.optimizer.step()

    def hypergradient(self, images: Tensor, labels: Tensor, delta: Tensor) -> Tensor:
        """Derivative of the meta loss by delta, `(B, C)`."""
        delta = delta.clone().requires_grad_()
        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
            meta = self.meta_loss(lambda model: F.cross_entropy(model(images) + delta, labels))
        (gradient,) = torch.autograd.grad(meta, delta)
        return gradient


class Unroll(Rival):
    """`create_graph=True`, a step by hand, a functional call."""

    def meta_loss(self, loss: Callable[[nn.Module], Tensor]) -> Tensor:
        """Plain double backward."""
        names, parameters = zip(*self.model.named_parameters(), strict=True)
        gradients = torch.autograd.grad(loss(self.model), parameters, create_graph=True)
        (group,) = self.optimizer.param_groups
        moved = {
            name: p - group["lr"] * (g + group["weight_decay"] * p)
            for name, p, g in zip(names, parameters, gradients, strict=True)
        }
        images, labels = self.meta
        return F.cross_entropy(functional_call(self.model, moved, (images,)), labels)


class TorchOpt(Rival):
    """`torchopt.MetaSGD` (Ren et al. 2023, arXiv 2211.06934)."""

    def meta_loss(self, loss: Callable[[nn.Module], Tensor]) -> Tensor:
        """The model takes the step itself, and gets its weights back."""
        import torchopt

        (group,) = self.optimizer.param_groups
        inner = torchopt.MetaSGD(self.model, group["lr"], weight_decay=group["weight_decay"])
        before = torchopt.extract_state_dict(self.model, by="reference")
        inner.step(loss(self.model))
        images, labels = self.meta
        meta = F.cross_entropy(self.model(images), labels)
        torchopt.recover_state_dict(self.model, before)
        return meta


class Higher(Rival):
    """`higher.innerloop_ctx` (Grefenstette et al. 2019, arXiv 1910.01727)."""

    def meta_loss(self, loss: Callable[[nn.Module], Tensor]) -> Tensor:
        """A functional copy of the model takes the step."""
        import higher

        images, labels = self.meta
        with higher.innerloop_ctx(self.model, self.optimizer, copy_initial_weights=False) as (
            copy,
            inner,
        ):
            inner.step(loss(copy))
            return F.cross_entropy(copy(images), labels)
