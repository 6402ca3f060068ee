"""The FGSM fill: the image after one adversarial step against a model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.modes import eval_mode


@dataclass(frozen=True)
class Fgsm:
    """x + epsilon * sign(gradient of CE(model(x), y) at x), clamped.

    Blended into a factual image, the step stays on the background. The model runs in eval mode and
    is left as it was: the mode of each submodule, `.grad`, and the random state (the CPU's, and
    that of the images' CUDA device). Its forward hooks do fire. Give the bare module, not its
    `DistributedDataParallel` wrapper, which counts on a backward pass after each forward one.
    Source: Goodfellow et al., ICLR 2015; epsilon after Chang et al., CVPR 2021.

    Attributes:
        model: Images `(B, C, H, W)` in, logits `(B, K)` out.
        epsilon: Size of the step, in pixel values.
        low: Least pixel value; the result is clamped.
        high: Greatest pixel value.

    Raises:
        ValueError: Epsilon is negative, or `low` is not below `high`.
    """

    model: nn.Module
    epsilon: float = 0.5
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.epsilon < 0 or self.low >= self.high:
            raise ValueError(
                f"epsilon {self.epsilon:g} must be at least 0, and low {self.low:g} below "
                f"high {self.high:g}"
            )

    def __call__(
        self, images: Tensor, masks: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Fill images, without a graph; see `Fill`. Nothing is drawn from the generator."""
        inputs = images.detach().requires_grad_()
        devices = [images.device] if images.is_cuda else []
        with eval_mode(self.model), torch.random.fork_rng(devices), torch.enable_grad():
            # The sum: an image's gradient then does not shrink with the size of its batch.
            loss = F.cross_entropy(self.model(inputs), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, inputs)
        return (images.detach() + self.epsilon * gradient.sign()).clamp(self.low, self.high)
