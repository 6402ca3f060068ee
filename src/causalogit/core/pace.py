"""How much larger the steps are where a perturbation leaves the classifier little to learn."""

from __future__ import annotations

from torch import Tensor


class Pace:
    """Keeps training under a perturbation as fast as plain training is.

    Where delta alone gives the label away, as a spurious expert does for most images, the residuals
    softmax(u + delta) - onehot(y) are small from the first step on, and the classifier stands still
    at chance. At u = 0 their size at the label is 1 - softmax(delta)_y, and 1 - 1/C without delta:
    the pace is the ratio of the two, each a mean over many steps, and multiplies the training loss.
    It does not depend on the classifier, so it does not grow when the classifier has learned.

    Args:
        limit: the largest pace; 1 is off.
        memory: of the running mean, a step.
    """

    def __init__(self, limit: float = 1.0, memory: float = 0.98) -> None:
        self.limit, self.memory = limit, memory
        self.left: float | None = None

    @property
    def on(self) -> bool:
        """Whether it may be more than 1."""
        return self.limit > 1

    def after(self, delta: Tensor, labels: Tensor) -> float:
        """The pace of the step that this delta `(B, C)` belongs to."""
        if not self.on:
            return 1.0
        left = 1 - delta.softmax(1).gather(1, labels[:, None]).mean().item()
        known = left if self.left is None else self.left
        self.left = self.memory * known + (1 - self.memory) * left
        plain = 1 - 1 / delta.shape[1]
        return plain / max(self.left, plain / self.limit)
