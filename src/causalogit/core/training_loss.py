"""The training loss of Eqs. 8 and 10: how the output of the perturbation network enters it.

A perturbation moves the logits, a weight says how much a sample counts. All that the engine asks
of either is the loss itself, its derivative by the logits, and what the output does to that
derivative; every solver of the hypergradient works with both. An output form names its loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class TrainingLoss(Protocol):
    """A loss of logits u `(B, C)`, an output `(B, ...)` and labels `(B,)`."""

    name: ClassVar[str]
    """Of the output, in metrics, in messages and in files."""

    def __call__(self, logits: Tensor, output: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar."""
        ...

    def cotangent(self, logits: Tensor, output: Tensor, labels: Tensor) -> Tensor:
        """Derivative of the loss by the logits, `(B, C)`, without a graph of theirs."""
        ...

    def output_gradient(
        self, logits: Tensor, output: Tensor, labels: Tensor, change: Tensor
    ) -> Tensor:
        """Derivative of `<cotangent, change>` by the output, in its shape; `change` is `(B, C)`."""
        ...

    def size(self, output: Tensor) -> Tensor:
        """How far the output is from one that changes nothing, a scalar for the guard."""
        ...

    def clipped(self, output: Tensor, factor: float) -> Tensor:
        """The output with `factor` times its size; at 0 it changes nothing, whatever it was."""
        ...

    def total(self, logits: Tensor, output: Tensor, labels: Tensor) -> Tensor:
        """The output with all that the loss itself does like it, in the output's shape."""
        ...

    def suspicion(self, output: Tensor, labels: Tensor) -> Tensor:
        """`(B,)`, higher where the sample counts for less on its label."""
        ...

    def describe(self, output: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """What to log of the output, scalars as `name/...`."""
        ...


@dataclass(frozen=True)
class PerturbedLogits:
    """Mean CE(u + delta, y); the output is delta, `(B, C)` (arXiv 2505.15246).

    With `noise` it is -log of `(1 - noise) softmax(u + delta)_y + noise / C`: the forward
    correction for labels of which this share is drawn anew from all classes (Patrini et al. 2017,
    arXiv 1609.03683). Each sample's residual then counts by the chance that its label is right, and
    what a label says against all else is not learned. It is itself a perturbation, see `total`.

    Args:
        pace: multiplies it, see `core.pace`.
        noise: share of the labels that say nothing, from 0 to below 1; not in arXiv 2505.15246.
    """

    pace: float = 1.0
    noise: float = 0.0
    name: ClassVar[str] = "delta"

    def __call__(self, logits: Tensor, output: Tensor, labels: Tensor) -> Tensor:
        """`mean CE(u + delta, y)`, or that with the correction."""
        perturbed = logits + output
        if not self.noise:
            return self.pace * F.cross_entropy(perturbed, labels)
        right = _own(perturbed.log_softmax(1), labels) + math.log1p(-self.noise)
        drawn = right.new_tensor(math.log(self.noise / perturbed.shape[1]))
        return -self.pace * torch.logaddexp(right, drawn).mean()

    def cotangent(self, logits: Tensor, output: Tensor, labels: Tensor) -> Tensor:
        """`w (softmax(u + delta) - onehot(y)) / B`; w is 1 without noise."""
        probabilities = (logits.detach() + output).softmax(1)  # in the wider of the two types
        onehot = F.one_hot(labels, probabilities.shape[1])
        residual = self._right(probabilities, labels) * (probabilities - onehot)
        return (self.pace * residual / len(labels)).to(logits.dtype)

    def output_gradient(
        self, logits: Tensor, output: Tensor, labels: Tensor, change: Tensor
    ) -> Tensor:
        """`q_i * (a_i - <q_i, a_i>) / B` with `q = softmax(u + delta)` and a the change.

        With noise that times w, and `w (1 - w) <q - onehot(y), a> (onehot(y) - q) / B` besides.
        """
        q = (logits.detach() + output).softmax(1)
        change = change.to(q.dtype)
        right = self._right(q, labels)
        gradient = right * q * (change - (q * change).sum(1, keepdim=True))
        if self.noise:
            residual = q - F.one_hot(labels, q.shape[1])
            along = (residual * change).sum(1, keepdim=True)
            gradient = gradient - right * (1 - right) * along * residual
        return (self.pace * gradient / len(labels)).to(output.dtype)

    def _right(self, probabilities: Tensor, labels: Tensor) -> Tensor:
        """Each sample's w, the chance that its label was not drawn anew, `(B, 1)`."""
        right = (1 - self.noise) * _own(probabilities, labels)[:, None]
        drawn = self.noise / probabilities.shape[1]
        return right / (right + drawn) if self.noise else torch.ones_like(right)

    def size(self, output: Tensor) -> Tensor:
        """The largest element of delta."""
        return output.abs().amax()

    def clipped(self, output: Tensor, factor: float) -> Tensor:
        """`factor * delta`."""
        return output * factor if factor else torch.zeros_like(output)

    def total(self, logits: Tensor, output: Tensor, labels: Tensor) -> Tensor:
        """Delta, and with noise the perturbation of the label's logit that has the same residuals.

        It is `log((1 - w (1 - q)) / (w q))`, with `q = softmax(u + delta)_y` and the chance w.
        """
        if not self.noise:
            return output
        log_q = _own((logits + output).log_softmax(1), labels)
        log_right = log_q + math.log1p(-self.noise)
        drawn = log_right.new_tensor(math.log(self.noise / output.shape[1]))
        log_w = log_right - torch.logaddexp(log_right, drawn)
        amount = torch.log1p(log_w.exp() * (log_q.exp() - 1)) - log_w - log_q
        return output + F.one_hot(labels, output.shape[1]) * amount[:, None].to(output.dtype)

    def suspicion(self, output: Tensor, labels: Tensor) -> Tensor:
        """Delta at the label, less its mean at the other classes.

        A label that delta helps along has less to learn: its gradient is smaller.
        """
        own = _own(output, labels)
        return own - (output.sum(1) - own) / (output.shape[1] - 1)

    def describe(self, output: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Mean delta at the label and at the other classes."""
        own = output.gather(1, labels[:, None])
        others = output.numel() - own.numel()
        return {
            "delta/label": own.mean(),
            "delta/others": (output.sum() - own.sum()) / others,
        }


class WeightedSamples:
    """The weighted mean of CE(u, y); the output is a weight w in (0, 1) a sample, `(B,)`.

    Meta-Weight-Net (Shu et al. 2019, arXiv 1902.07379) with weights that are divided by their mean
    over the batch, as learning to reweight has it (Ren et al. 2018, arXiv 1803.09050). Without
    that, larger weights are a larger step, and a larger step nearly always lowers the meta loss
    one step ahead. What is left is which samples count more than others; one sample alone always
    counts 1.
    """

    name: ClassVar[str] = "weight"

    def __call__(self, logits: Tensor, output: Tensor, labels: Tensor) -> Tensor:
        """`sum w_i CE(u_i, y_i) / sum w_i`, the mean of CE with weights of mean 1."""
        wide = torch.promote_types(logits.dtype, output.dtype)
        losses = F.cross_entropy(logits.to(wide), labels, reduction="none")
        return (output * losses).sum() / output.sum()

    def cotangent(self, logits: Tensor, output: Tensor, labels: Tensor) -> Tensor:
        """`w_i (softmax(u_i) - onehot(y_i)) / sum w`."""
        share = output / output.sum()
        return (share[:, None] * _residual(logits, output, labels)).to(logits.dtype)

    def output_gradient(
        self, logits: Tensor, output: Tensor, labels: Tensor, change: Tensor
    ) -> Tensor:
        """`(b_i - sum w b / sum w) / sum w`: b is the loss's change when the logits have theirs.

        A weight grows where the sample's loss falls more, along the step that the meta set asks
        for, than the weighted mean of the losses does.
        """
        residual = _residual(logits, output, labels)
        changes = (residual * change.to(residual.dtype)).sum(1)
        total = output.sum()
        return ((changes - (output * changes).sum() / total) / total).to(output.dtype)

    def size(self, output: Tensor) -> Tensor:
        """The largest distance from 1 of a weight that is divided by their mean."""
        return (output / output.mean() - 1).abs().amax()

    def clipped(self, output: Tensor, factor: float) -> Tensor:
        """Drawn to their mean; all alike at 0."""
        return torch.lerp(output.mean(), output, factor) if factor else torch.ones_like(output)

    def total(self, logits: Tensor, output: Tensor, labels: Tensor) -> Tensor:
        """The weights."""
        return output

    def suspicion(self, output: Tensor, labels: Tensor) -> Tensor:
        """Less the weight."""
        return -output

    def describe(self, output: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Mean and range of the weights, and the share of the batch that counts.

        `weight/effective` is Kish's effective sample size over B, `mean(w)^2 / mean(w^2)`: 1 where
        all weights are alike, 1/B where one sample has all the weight.
        """
        return {
            "weight/mean": output.mean(),
            "weight/min": output.min(),
            "weight/max": output.max(),
            "weight/effective": output.mean().square() / output.square().mean(),
        }


def corrected(loss: TrainingLoss, noise: float) -> TrainingLoss:
    """The loss for labels of which this share may be any class.

    Raises:
        ValueError: it has no such correction, or the share is not from 0 to below 1.
    """
    if not noise:
        return loss
    if not isinstance(loss, PerturbedLogits) or not 0 < noise < 1:
        raise ValueError(
            f"noise is {noise:g}: give a share from 0 to below 1, and 0 for a network that gives "
            f"weights (this one gives the {loss.name})"
        )
    return replace(loss, noise=noise)


def _own(values: Tensor, labels: Tensor) -> Tensor:
    """Those of the labels, `(B,)`, of values of all classes."""
    return values.gather(1, labels[:, None]).squeeze(1)


def _residual(logits: Tensor, output: Tensor, labels: Tensor) -> Tensor:
    """Derivative of each sample's cross-entropy by its logits, in the wider of the two types."""
    wide = torch.promote_types(logits.dtype, output.dtype)
    probabilities = logits.detach().to(wide).softmax(1)
    return probabilities - F.one_hot(labels, logits.shape[1])
