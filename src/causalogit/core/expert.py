"""The spurious expert: a small separate network that only ever sees images without their object.

What it says of CF(x) is the spurious logit u_z that the paper wants to neutralise. Read off the
classifier itself, that signal fades as the classifier forgets the background; a separate network
trained on counterfactual images alone keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

MaskedTransform = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`(images, masks, labels) -> images`."""


class SpuriousExpert:
    """Predicts the label from counterfactual images.

    Train it for a few epochs with `step`, then `freeze` it: an expert that goes on learning the
    same images knows them by heart in the end, also those whose background disagrees with the
    class, and then says nothing of the background any more.

    Args:
        network: maps images to logits `(B, C)`.
        optimizer: of the network's parameters.
        counterfactual: removes the object; fill a box or a dilated mask, because an exact outline
            leaves the object's silhouette, from which the label can be read.
    """

    def __init__(
        self, network: nn.Module, optimizer: Optimizer, counterfactual: MaskedTransform
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.counterfactual = counterfactual
        self.frozen = False

    def freeze(self) -> None:
        """From now on `step` only predicts; the network is in eval mode."""
        self.frozen = True
        self.network.eval()

    def log_probabilities(self, images: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
        """Log b(. | CF(x)), `(B, C)`, without learning."""
        with torch.no_grad():
            logits: Tensor = self.network(self.counterfactual(images, masks, labels))
            return logits.float().log_softmax(1)

    def step(self, images: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
        """Log b(. | CF(x)), `(B, C)`, detached and from before this batch is learned."""
        if self.frozen:
            return self.log_probabilities(images, masks, labels)
        logits: Tensor = self.network(self.counterfactual(images, masks, labels))
        self.optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        self.optimizer.step()
        return logits.detach().float().log_softmax(1)

    def state_dict(self) -> dict[str, Any]:
        """Network and optimizer."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
