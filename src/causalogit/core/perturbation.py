"""The perturbation network: characteristics in, a perturbation or a weight of each sample out.

The network is a small MLP on batch-normalised inputs; an *output form* says what its raw outputs
mean and names the training loss that they enter. A new form is one small class with a `width` and
a `__call__`, registered in `FORMS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.core.training_loss import PerturbedLogits, TrainingLoss, WeightedSamples

T = TypeVar("T")

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
}

_LARGEST = 1e15
"""Of an input: the square of a larger one, in the running variance, would stay infinite forever."""


class OutputForm(Protocol):
    """Turns raw outputs `(B, width)` into what `loss` takes: delta `(B, C)` or weights `(B,)`."""

    needs_expert: bool
    loss: TrainingLoss

    def width(self, num_classes: int) -> int:
        """Raw outputs that the form asks of the network."""
        ...

    def __call__(self, raw: Tensor, labels: Tensor, spurious: Tensor | None) -> Tensor:
        """The output from raw outputs, labels `(B,)` and the expert's log-probabilities."""
        ...


def _bounded(raw: Tensor, bound: float | None) -> Tensor:
    return raw if bound is None else bound * torch.tanh(raw)


class Vector:
    """C free outputs, one a class, as Fig. 3 of the paper draws it."""

    needs_expert = False
    loss: TrainingLoss = PerturbedLogits()

    def __init__(self, num_classes: int, bound: float | None) -> None:
        self.bound = bound

    def width(self, num_classes: int) -> int:
        """C."""
        return num_classes

    def __call__(self, raw: Tensor, labels: Tensor, spurious: Tensor | None) -> Tensor:
        """`bound * tanh(raw)`."""
        return _bounded(raw, self.bound)


class Target:
    """One output, on the label's logit: treats every class alike and does not grow with C."""

    needs_expert = False
    loss: TrainingLoss = PerturbedLogits()

    def __init__(self, num_classes: int, bound: float | None) -> None:
        self.num_classes, self.bound = num_classes, bound

    def width(self, num_classes: int) -> int:
        """1."""
        return 1

    def __call__(self, raw: Tensor, labels: Tensor, spurious: Tensor | None) -> Tensor:
        """`bound * tanh(raw)` at the label, 0 elsewhere."""
        return F.one_hot(labels, self.num_classes) * _bounded(raw, self.bound)


class Contrast(Target):
    """`Target`, centred over the batch: which samples get more margin than others.

    The same amount on every label's logit makes all gradients larger or smaller, and a larger step
    nearly always lowers the meta loss one step ahead: `Target` tends to its bound. Without the
    mean that shortcut is gone. The raw outputs are centred too: else all of them may drift to one
    end of the bound together, where the differences and their gradients vanish.
    """

    def __call__(self, raw: Tensor, labels: Tensor, spurious: Tensor | None) -> Tensor:
        """`a - mean(a)` with `a = bound * tanh(raw - mean(raw))` at the label, 0 elsewhere."""
        amount = _bounded(raw - raw.mean(0), self.bound)
        return F.one_hot(labels, self.num_classes) * (amount - amount.mean(0))


class Expert:
    """The direction from a spurious expert, the strength alpha > 0 from the network.

    delta_i = alpha_i * log b(. | z_i), where b says what the spurious part z_i of the image speaks
    for: the whole of it at alpha = 1. Alpha lies in (0, bound) and begins at 1, or at 0.9 * bound
    where that is less. Kin: product of experts and learned mixin (Clark et al. 2019, arXiv
    1909.03683).
    """

    needs_expert = True
    loss: TrainingLoss = PerturbedLogits()

    def __init__(self, num_classes: int, bound: float | None) -> None:
        self.bound = bound
        start = 0.5 if bound is None else min(1 / bound, 0.9)
        self.offset = math.log(start / (1 - start))

    def width(self, num_classes: int) -> int:
        """1."""
        return 1

    def alpha(self, raw: Tensor) -> Tensor:
        """The strength, `(B, 1)`."""
        if self.bound is None:
            return F.softplus(raw + 0.5413)  # softplus(0.5413) = 1
        return self.bound * torch.sigmoid(raw + self.offset)

    def __call__(self, raw: Tensor, labels: Tensor, spurious: Tensor | None) -> Tensor:
        """`alpha(raw) * spurious`."""
        if spurious is None:
            raise ValueError(
                "output forms with an expert need what a spurious expert says: give its "
                "log-probabilities to every step, as spurious=, or use 'target'"
            )
        return self.alpha(raw) * spurious


class ExpertTarget:
    """`Expert` with alpha up to 1, and `Target` beside it: what is known, and what is left to say.

    delta_i = alpha_i * log b(. | z_i) + t_i at the label. The first part is what a calibrated
    expert knows, such as the class's frequency or what shows of the background; the second, of
    size up to the bound, is free to say what no expert does, such as that a label is wrong.
    """

    needs_expert = True
    loss: TrainingLoss = PerturbedLogits()

    def __init__(self, num_classes: int, bound: float | None) -> None:
        self.expert, self.target = Expert(num_classes, 1.0), Target(num_classes, bound)

    def width(self, num_classes: int) -> int:
        """2."""
        return 2

    def __call__(self, raw: Tensor, labels: Tensor, spurious: Tensor | None) -> Tensor:
        """The sum of both, of the first raw output and of the second."""
        known = self.expert(raw[:, :1], labels, spurious)
        return known + self.target(raw[:, 1:], labels, spurious)


class Weight:
    """How much the sample counts, w in (0, 1): Meta-Weight-Net (Shu et al. 2019, arXiv 1902.07379).

    The raw outputs start at zero, so that all samples count alike. There is no bound to set.
    """

    needs_expert = False
    loss: TrainingLoss = WeightedSamples()

    def __init__(self, num_classes: int, bound: float | None) -> None:
        pass

    def width(self, num_classes: int) -> int:
        """1."""
        return 1

    def __call__(self, raw: Tensor, labels: Tensor, spurious: Tensor | None) -> Tensor:
        """`sigmoid(raw)`, `(B,)`."""
        return raw.squeeze(1).sigmoid()


FORMS: dict[str, Callable[[int, float | None], OutputForm]] = {
    "vector": Vector,
    "target": Target,
    "contrast": Contrast,
    "expert": Expert,
    "expert_target": ExpertTarget,
    "weight": Weight,
}


def _choose(table: dict[str, T], name: str, what: str) -> T:
    if name not in table:
        raise ValueError(f"{what} '{name}' is not known: choose among {sorted(table)}")
    return table[name]


class PerturbationNetwork(nn.Module):
    """An MLP from K characteristics to delta (arXiv 2505.15246, Sec. 4), or to a weight.

    The inputs are normalised over the batch; a batch of one uses the running statistics. The last
    layer starts at zero, so that training starts as plain training (`vector`, `target`: delta = 0;
    `weight`: 1/2 for every sample).

    Args:
        num_characteristics: K.
        num_classes: C.
        form: `vector`, `target`, `contrast`, `expert`, `expert_target`, `weight`, or another key of
            `FORMS`.
        hidden: units of every hidden layer.
        depth: linear layers, at least 1; 2 is the paper's.
        activation: `relu`, `gelu`, `tanh` or `silu`.
        bound: largest size of an element of delta (for `expert`: of alpha, for `expert_target`: of
            what is added at the label); None for no bound.
        normalise: False for inputs as they are, as Meta-Weight-Net has its loss.

    Raises:
        ValueError: an unknown form or activation, a depth below 1, a bound that is not positive.
    """

    def __init__(
        self,
        num_characteristics: int,
        num_classes: int,
        form: str = "vector",
        *,
        hidden: int = 100,
        depth: int = 2,
        activation: str = "relu",
        bound: float | None = 1.0,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        if depth < 1 or hidden < 1 or (bound is not None and not bound > 0):
            raise ValueError(
                f"perturbation network: depth ({depth}) and hidden ({hidden}) must be at least 1 "
                f"and bound ({bound}) positive"
            )
        make_activation = _choose(ACTIVATIONS, activation, "activation")
        self.form = _choose(FORMS, form, "output form")(num_classes, bound)
        # no affine part: the first linear layer has its own
        self.normalise = nn.BatchNorm1d(num_characteristics, affine=False) if normalise else None
        layers: list[nn.Module] = []
        width = num_characteristics
        for _ in range(depth - 1):
            layers += [nn.Linear(width, hidden), make_activation()]
            width = hidden
        last = nn.Linear(width, self.form.width(num_classes))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(*layers, last)

    def normalised(self, characteristics: Tensor) -> Tensor:
        """Characteristics `(B, K)` normalised over the batch; moves the running statistics once.

        They come back as they are from a network that does not normalise.
        """
        values = characteristics.to(self._dtype)
        if self.normalise is None:
            return values
        values = values.clamp(-_LARGEST, _LARGEST)
        if self.training and len(values) > 1:
            normal: Tensor = self.normalise(values)
            return normal
        mean, variance = self.normalise.running_mean, self.normalise.running_var
        return F.batch_norm(values, mean, variance, training=False)

    def forward(self, inputs: Tensor, labels: Tensor, spurious: Tensor | None = None) -> Tensor:
        """Delta `(B, C)`, or weights `(B,)` for the form `weight`.

        Args:
            inputs: `(B, K)`, as `normalised` gives them.
            labels: `(B,)`.
            spurious: the expert's log-probabilities `(B, C)`, for the forms with an expert.
        """
        # autocast would keep a copy of the weights from before their update, for the whole step
        with torch.autocast(inputs.device.type, enabled=False):
            return self.form(self.mlp(inputs.to(self._dtype)), labels, spurious)

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.mlp.parameters()).dtype
