"""What the perturbation network answers to: delta, or weight, against each characteristic."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn import functional as F

from causalogit.report.figures.draw import Panel
from causalogit.report.palette import LIGHT
from causalogit.report.words import characteristic_in_words
from causalogit.train.load import Perturbations

_DASHES = (0, (4, 2))
_SHOWN = 700  # images of each kind that are drawn, evenly spaced


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


@dataclass(frozen=True)
class Response:
    """What a perturbation network gives for every training image.

    Attributes:
        what: "alpha", "weight" or "delta at the label".
        label: that number, `(N,)`.
        others: mean delta over the other classes, `(N,)`; None where there is but one number.
        common: True for images of the more common kind, `(N,)`.
    """

    what: str
    label: Tensor
    others: Tensor | None
    common: Tensor

    @property
    def thinned(self) -> tuple[bool, bool]:
        """Whether there are more images of each kind than are drawn."""
        common = int(self.common.sum())
        return common > _SHOWN, len(self.common) - common > _SHOWN

    def mean(self, common: bool) -> float | None:
        """Mean over the images of the common kind, or over the others; None without any."""
        some = self.label[(self.common == common) & ~self.label.isnan()]
        return some.mean().item() if len(some) else None


def response(perturbations: Perturbations, common: Tensor, form: str) -> Response:
    """Delta at the label, or for the form "expert" its strength alpha; a weight as it is."""
    delta = perturbations.output.float()
    if delta.dim() == 1:
        return Response("weight", delta, None, common)
    if form == "expert":
        return Response("alpha", alpha_of(delta).float(), None, common)
    own = F.one_hot(perturbations.labels, delta.shape[1]).bool()
    others = (delta * ~own).sum(1) / (~own).sum(1)
    return Response("delta at the label", delta[own], others, common)


def perturbation_panels(
    perturbations: Perturbations, given: Response, where: tuple[str, str]
) -> list[Panel]:
    """One panel a characteristic, all of one height; `where` says what the two kinds are."""
    return [
        _panel(name, perturbations.characteristics[:, column].float(), given, where)
        for column, name in enumerate(perturbations.names)
    ]


def perturbation_key(given: Response, words: tuple[str, str]) -> list[Line2D]:
    """Which mark is what; `words` says what the two kinds of images are."""
    marks = [
        Line2D([], [], color=LIGHT[colour], marker=marker, ls="", label=f"{given.what}: {word}")
        for colour, marker, word in zip(("majority", "minority"), "o^", words, strict=True)
        if word
    ]
    if given.others is not None:
        marks.append(Line2D([], [], color=LIGHT["ink"], ls=_DASHES, label="mean at other classes"))
    return marks


def _some(kind: Tensor) -> Tensor:
    """The places of a kind of images that are drawn."""
    places = kind.nonzero().squeeze(1)
    return places[:: max(1, -(-len(places) // _SHOWN))]


def _panel(name: str, values: Tensor, given: Response, where: tuple[str, str]) -> Panel:
    def draw(axes: Axes) -> None:
        for index, colour, marker, size in (
            (_some(given.common), LIGHT["majority"], "o", 9),
            (_some(~given.common), LIGHT["minority"], "^", 14),
        ):
            axes.scatter(
                values[index],
                given.label[index],
                s=size,
                c=colour,
                marker=marker,
                alpha=0.7,
                lw=0,
                rasterized=True,
            )
        if given.others is not None:
            line = binned_means(values, given.others)
            axes.plot(*line, color=LIGHT["ink"], lw=1.6, ls=_DASHES)
        _limits(axes, values, given)

    means = [
        f"{mean:.2f} where {words}"
        for words, common in zip(where, (True, False), strict=True)
        if (mean := given.mean(common)) is not None
    ]
    alt = f"{given.what} against {name}. Mean {', '.join(means)}."
    note = characteristic_in_words(name)
    return Panel(name, alt, draw, (196, 150), note, margins=(36, 22, 8, 6))


def _limits(axes: Axes, values: Tensor, given: Response) -> None:
    """The same height for all panels of a run; a characteristic that is one number has one tick."""
    shown = torch.cat([t[~t.isnan()] for t in (given.label, given.others) if t is not None])
    low, high = (shown.min().item(), shown.max().item()) if len(shown) else (0.0, 1.0)
    room = 0.08 * max(high - low, 0.1)
    axes.set_ylim(low - room, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    least, most = values.min().item(), values.max().item()
    if most - least > 1e-4 * max(abs(most), 1e-6):
        axes.xaxis.set_major_locator(MaxNLocator(3))
    else:
        axes.set_xlim(most - 1, most + 1)
        axes.set_xticks([most], [f"{most:.3g}"])


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
