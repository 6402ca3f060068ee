"""The ten training characteristics: what the perturbation network sees (arXiv 2505.15246, Sec. 4).

A characteristic is a function from a `Snapshot` of the batch to one number a sample. The set is
data: `characteristics=("loss", "margin")` selects by name, and a new one is a decorated function:

    @characteristic("confidence")
    def confidence(batch: Snapshot) -> Tensor:
        return batch.probabilities.amax(1)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Snapshot:
    """One training batch as the characteristics see it, all detached from the classifier.

    Attributes:
        logits: u, `(B, C)`.
        features: h, `(B, d)`.
        weights: last-layer weights, `(C, d)`.
        labels: `(B,)`.
        class_proportion: pi, `(C,)`.
        class_loss: mean loss of each class in the previous epoch, `(C,)`.
        class_margin: mean margin of each class in the previous epoch, `(C,)`.
        spurious: log-probabilities of the labels by what is spurious in the images, `(B, C)`;
            None where nothing says any.
        replaced: log-probabilities of the labels by the classifier for the same objects on other
            backgrounds, `(B, C)`; None where they are not known.
    """

    logits: Tensor
    features: Tensor
    weights: Tensor
    labels: Tensor
    class_proportion: Tensor
    class_loss: Tensor
    class_margin: Tensor
    spurious: Tensor | None = None
    replaced: Tensor | None = None

    @cached_property
    def log_probabilities(self) -> Tensor:
        """`(B, C)`."""
        return self.logits.log_softmax(1)

    @cached_property
    def probabilities(self) -> Tensor:
        """`(B, C)`."""
        return self.log_probabilities.exp()

    @cached_property
    def own(self) -> Tensor:
        """True at each sample's label, `(B, C)`."""
        return F.one_hot(self.labels, self.logits.shape[1]).bool()

    @cached_property
    def loss(self) -> Tensor:
        """`(B,)`."""
        return -self.log_probabilities.gather(1, self.labels[:, None]).squeeze(1)

    @cached_property
    def margin(self) -> Tensor:
        """`(B,)`."""
        label = self.probabilities.gather(1, self.labels[:, None]).squeeze(1)
        return label - self.probabilities.masked_fill(self.own, -torch.inf).amax(1)


Characteristic = Callable[[Snapshot], Tensor]
CHARACTERISTICS: dict[str, Characteristic] = {}


def characteristic(name: str) -> Callable[[Characteristic], Characteristic]:
    """Register a function `Snapshot -> (B,)` under `name`."""

    def register(function: Characteristic) -> Characteristic:
        if name in CHARACTERISTICS:
            raise ValueError(f"a characteristic named '{name}' exists already: choose another name")
        CHARACTERISTICS[name] = function
        return function

    return register


@characteristic("loss")
def loss(batch: Snapshot) -> Tensor:
    """1: -log p[y]."""
    return batch.loss


@characteristic("margin")
def margin(batch: Snapshot) -> Tensor:
    """2: p[y] - max over c != y of p[c]."""
    return batch.margin


@characteristic("gradient_norm")
def gradient_norm(batch: Snapshot) -> Tensor:
    """3: 2-norm of p - onehot(y), the gradient of the loss at the logits."""
    return (batch.probabilities - batch.own.to(batch.probabilities)).square().sum(1).sqrt()


@characteristic("cosine")
def cosine(batch: Snapshot) -> Tensor:
    """4: cosine between the features and the label's weight vector."""
    return F.cosine_similarity(batch.features, batch.weights[batch.labels], dim=1)


@characteristic("entropy")
def entropy(batch: Snapshot) -> Tensor:
    """5: -sum p log p, in nats."""
    # 0 * log 0 = 0: a log-probability of minus infinity must not meet a probability of 0
    terms: Tensor = batch.probabilities * batch.log_probabilities.clamp_min(-1e30)
    return -terms.sum(1)


@characteristic("class_proportion")
def class_proportion(batch: Snapshot) -> Tensor:
    """6: the label's share of the training set."""
    return batch.class_proportion[batch.labels]


@characteristic("class_loss")
def class_loss(batch: Snapshot) -> Tensor:
    """7: the label's mean loss in the previous epoch."""
    return batch.class_loss[batch.labels]


@characteristic("weight_norm")
def weight_norm(batch: Snapshot) -> Tensor:
    """8: 2-norm of the label's weight vector."""
    return batch.weights.square().sum(1).sqrt()[batch.labels]


@characteristic("relative_loss")
def relative_loss(batch: Snapshot) -> Tensor:
    """9: loss minus the label's mean loss (7)."""
    return batch.loss - batch.class_loss[batch.labels]


@characteristic("relative_margin")
def relative_margin(batch: Snapshot) -> Tensor:
    """10: margin minus the label's mean margin in the previous epoch."""
    return batch.margin - batch.class_margin[batch.labels]


THE_TEN = tuple(CHARACTERISTICS)


@characteristic("confidence")
def confidence(batch: Snapshot) -> Tensor:
    """Largest probability, whichever class has it; not among the ten, for replacing one."""
    return batch.probabilities.amax(1)


@characteristic("feature_norm")
def feature_norm(batch: Snapshot) -> Tensor:
    """2-norm of the features; not among the ten, for replacing one."""
    return batch.features.square().sum(1).sqrt()


@characteristic("spurious_loss")
def spurious_loss(batch: Snapshot) -> Tensor:
    """-log b[y]: how little what is spurious speaks for the label; not among the ten.

    Raises:
        ValueError: nothing says what is spurious.
    """
    if batch.spurious is None:
        raise ValueError(
            "the characteristics 'spurious_loss' and 'spurious_gap' need to know what is spurious: "
            "give its log-probabilities to every step, as spurious="
        )
    return -batch.spurious.gather(1, batch.labels[:, None]).squeeze(1)


@characteristic("spurious_gap")
def spurious_gap(batch: Snapshot) -> Tensor:
    """Log p[y] - log b[y]: what the classifier adds to it; not among the ten."""
    return spurious_loss(batch) - batch.loss


@characteristic("background_shift")
def background_shift(batch: Snapshot) -> Tensor:
    """Half the 1-norm of p - p', p' on another background, in [0, 1]; not among the ten.

    The total variation between the two predictions: how much the background moves the classifier.

    Raises:
        ValueError: nothing says what the classifier answers there.
    """
    if batch.replaced is None:
        raise ValueError(
            "the characteristic 'background_shift' needs what the classifier says of the images on "
            "other backgrounds: give its log-probabilities to every step, as replaced="
        )
    return (batch.probabilities - batch.replaced.exp()).abs().sum(1) / 2


CAUSAL = ("spurious_loss", "spurious_gap")
"""Those that need to know what is spurious."""

GROUPS = {
    "sample": ("loss", "margin", "gradient_norm", "cosine", "entropy"),
    "class": ("class_proportion", "class_loss", "weight_norm"),
    "relative": ("relative_loss", "relative_margin"),
}


def select(names: Sequence[str]) -> tuple[Characteristic, ...]:
    """The characteristics of these names, in this order.

    Raises:
        ValueError: no name at all, a name given twice, or one that is not registered.
    """
    unknown = [n for n in names if n not in CHARACTERISTICS]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            f"characteristics {list(names)}: "
            + (f"{unknown} not known" if unknown else "give each once, and at least one")
            + f"; choose among {list(CHARACTERISTICS)}"
        )
    return tuple(CHARACTERISTICS[n] for n in names)


class ClassStatistics(nn.Module):
    """Class sizes, and mean loss and margin of each class in the previous epoch.

    Its buffers are part of a checkpoint. Before the first epoch has ended, the means are those of
    the samples seen so far; a class absent from an epoch keeps its older mean.

    Args:
        num_classes: C.
        class_counts: training images of each class, `(C,)`; without it the sizes are those of the
            labels seen so far.
    """

    proportion: Tensor
    mean: Tensor
    total: Tensor
    count: Tensor
    seen: Tensor
    epochs: Tensor

    def __init__(self, num_classes: int, class_counts: Tensor | None = None) -> None:
        super().__init__()
        self.fixed = class_counts is not None
        counts = torch.ones(num_classes) if class_counts is None else class_counts.double()
        if counts.shape != (num_classes,):
            raise ValueError(
                f"class_counts is {tuple(counts.shape)}, but there are {num_classes} classes: give "
                f"({num_classes},), as torch.bincount(labels, minlength={num_classes})"
            )
        self.register_buffer("proportion", (counts / counts.sum()).float())
        self.register_buffer("mean", torch.zeros(2, num_classes))
        self.register_buffer("total", torch.zeros(2, num_classes, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(num_classes, dtype=torch.float64))
        self.register_buffer("seen", torch.zeros(num_classes, dtype=torch.float64))
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, labels: Tensor, losses: Tensor, margins: Tensor) -> None:
        """Take in a batch: labels, losses and margins, each `(B,)`."""
        values = torch.stack([losses, margins]).double()
        self.total.index_add_(1, labels, values)
        ones = torch.ones_like(labels, dtype=torch.float64)
        self.count.index_add_(0, labels, ones)
        self.seen.index_add_(0, labels, ones)
        if not self.fixed:
            self.proportion.copy_(self.seen / self.seen.sum())
        self._take_means(self.epochs == 0)  # no `if`: a GPU would be waited for

    @torch.no_grad()
    def end_epoch(self) -> None:
        """What was gathered becomes "the previous epoch"."""
        self._take_means(torch.ones_like(self.epochs, dtype=torch.bool))
        self.total.zero_()
        self.count.zero_()
        self.epochs += 1

    def _take_means(self, wanted: Tensor) -> None:
        fresh = (self.total / self.count.clamp_min(1)).to(self.mean)
        self.mean.copy_(torch.where(wanted & (self.count > 0), fresh, self.mean))


class CharacteristicTable:
    """Computes the selected characteristics of a batch and keeps the class statistics.

    Args:
        names: characteristics in the order of the columns.
        statistics: class statistics, updated by every call.
    """

    def __init__(self, names: Sequence[str], statistics: ClassStatistics) -> None:
        self.names = tuple(names)
        self.functions = select(names)
        self.statistics = statistics

    @torch.no_grad()
    def __call__(
        self,
        logits: Tensor,
        features: Tensor,
        weights: Tensor,
        labels: Tensor,
        spurious: Tensor | None = None,
        replaced: Tensor | None = None,
        *,
        update: bool = True,
    ) -> Tensor:
        """`(B, K)` float.

        Args:
            logits: `(B, C)`.
            features: `(B, d)`.
            weights: of the last layer, `(C, d)`.
            labels: `(B,)`.
            spurious: log-probabilities `(B, C)`, for those in `CAUSAL`.
            replaced: log-probabilities `(B, C)`, for `background_shift`.
            update: False to look at samples outside of training: the statistics stay.

        Raises:
            ValueError: a characteristic needs `spurious` or `replaced`.
        """
        precise = torch.promote_types(logits.dtype, torch.float32)
        batch = Snapshot(
            logits=logits.detach().to(precise),
            features=features.detach().to(precise),
            weights=weights.detach().to(precise),
            labels=labels,
            **self._of_classes(precise),
            spurious=None if spurious is None else spurious.detach().to(precise),
            replaced=None if replaced is None else replaced.detach().to(precise),
        )
        if update:
            self.statistics.update(labels, batch.loss, batch.margin)
            batch = replace(batch, **self._of_classes(precise))
        return torch.stack([function(batch) for function in self.functions], dim=1)

    def _of_classes(self, dtype: torch.dtype) -> dict[str, Tensor]:
        statistics = self.statistics
        return {
            "class_proportion": statistics.proportion.to(dtype),
            "class_loss": statistics.mean[0].to(dtype),
            "class_margin": statistics.mean[1].to(dtype),
        }
