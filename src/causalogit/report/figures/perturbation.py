"""What the perturbation network answers to: delta against each characteristic."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn import functional as F

from causalogit.core import CHARACTERISTICS
from causalogit.report.figures.draw import Panel
from causalogit.report.palette import LIGHT
from causalogit.train.load import Perturbations

_SHOWN = 700  # majority images drawn, evenly spaced; of the minority all
_PLAIN = {
    "loss": "how wrong the classifier is about the image",
    "margin": "lead of the right class over the best other one",
    "gradient_norm": "how hard the image pulls at the classifier",
    "cosine": "how well its features point to its class",
    "entropy": "how undecided the answer is",
    "class_proportion": "how common its class is in training",
    "class_loss": "mean loss of its class, one epoch before",
    "weight_norm": "length of its class's weights",
    "relative_loss": "loss, less the mean of its class",
    "relative_margin": "margin, less the mean of its class",
}


def alpha_of(delta: Tensor) -> Tensor:
    """The strength alpha of `delta = alpha * log b`, `(N,)`, for log-probabilities log b.

    b sums to one, so 1 / alpha is the only root of sum exp(delta / alpha) = 1; found by bisection.
    It is nan where b is so sure of one class that 32 bits hold nothing to find it by.

    Args:
        delta: `(N, C)`, C at least 2, not above 0.
    """
    delta = delta.double()
    low, high = torch.full((len(delta),), -10.0), torch.full((len(delta),), 10.0)
    low, high = low.double(), high.double()
    for _ in range(60):
        middle = (low + high) / 2
        above = torch.logsumexp(delta * middle.exp()[:, None], 1) > 0
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    sure = delta.amax(1) > -1e-6
    return torch.where(sure, torch.nan, (-high).exp())


def perturbation_panels(perturbations: Perturbations, agrees: Tensor, form: str) -> list[Panel]:
    """One panel a characteristic.

    Args:
        perturbations: of the training images.
        agrees: True where an image's background goes with its class, `(N,)`.
        form: of the perturbation network's output; "expert" shows alpha in place of delta.
    """
    delta = perturbations.delta.float()
    own = F.one_hot(perturbations.labels, delta.shape[1]).bool()
    if form == "expert":
        label, others = alpha_of(delta).float(), None
    else:
        label, others = delta[own], (delta * ~own).sum(1) / (~own).sum(1)
    return [
        _panel(name, perturbations.characteristics[:, column].float(), label, others, agrees)
        for column, name in enumerate(perturbations.names)
    ]


def explain(characteristic: str) -> str:
    """A characteristic in plain words, or in those of its own docstring."""
    known = CHARACTERISTICS.get(characteristic)
    documented = ((known and known.__doc__) or "").strip().split("\n")[0]
    return _PLAIN.get(characteristic, documented)


def _panel(
    name: str, values: Tensor, label: Tensor, others: Tensor | None, agrees: Tensor
) -> Panel:
    def draw(axes: Axes) -> None:
        some = agrees.nonzero().squeeze(1)
        some = some[:: max(1, -(-len(some) // _SHOWN))]
        for index, colour, marker, size in (
            (some, LIGHT["majority"], "o", 7),
            ((~agrees).nonzero().squeeze(1), LIGHT["minority"], "^", 12),
        ):
            axes.scatter(
                values[index],
                label[index],
                s=size,
                c=colour,
                marker=marker,
                alpha=0.55,
                lw=0,
                rasterized=True,
            )
        if others is not None:
            axes.plot(*binned_means(values, others), color=LIGHT["ink"], lw=1.6, ls=(0, (4, 2)))
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.yaxis.set_major_locator(MaxNLocator(4))

    known = ~label.isnan()
    means = [
        f"{word} {label[part & known].mean():.2f}"
        for word, part in (("majority", agrees), ("minority", ~agrees))
        if (part & known).any()
    ]
    what = "alpha" if others is None else "delta at the label"
    alt = f"{what} against {name}; mean {', '.join(means)}."
    return Panel(name, alt, draw, (230, 165), explain(name))


def binned_means(x: Tensor, y: Tensor, bins: int = 12) -> tuple[Tensor, Tensor]:
    """Means of x and y in bins of x with equally many points; equal x are never told apart."""
    order = x.argsort(stable=True)
    x, y = x[order], y[order]
    edges = [x[len(x) * k // bins] for k in range(1, bins)]
    place = torch.bucketize(x, torch.stack(edges).unique(), right=True)
    counts = torch.bincount(place).clamp_min(1)
    zeros = torch.zeros(len(counts))
    sums = [zeros.index_add(0, place, v) / counts for v in (x, y)]
    filled = torch.bincount(place) > 0
    return sums[0][filled], sums[1][filled]
