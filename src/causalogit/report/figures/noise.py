"""What delta holds against right and against wrong labels."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from causalogit.report.figures.draw import Panel
from causalogit.report.palette import LIGHT

_BINS = 40


def noise_panel(
    title: str, suspicion: Tensor, wrong: Tensor, note: str, weighted: bool = False
) -> Panel:
    """Two histograms on one axis, each of area 1.

    Args:
        title: of the panel.
        suspicion: delta at the label, less its mean over the other classes, or the negative
            weight, `(N,)`.
        wrong: where the label is wrong, `(N,)` bool.
        note: a line for the page.
        weighted: whether these are weights.
    """
    kinds = ((~wrong, "majority"), (wrong, "minority"))

    def draw(axes: Axes) -> None:
        edges = _edges(suspicion)
        for own, colour in kinds:
            heights, _ = torch.histogram(suspicion[own].double(), edges)
            density = heights / heights.sum().clamp_min(1) / edges.diff()
            axes.stairs(
                density.numpy(), edges.numpy(), fill=True, color=LIGHT[colour], alpha=0.35, lw=0
            )
            axes.stairs(density.numpy(), edges.numpy(), color=LIGHT[colour], lw=1.6)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(
            "weight, negated" if weighted else "delta at the label, less that of the others"
        )

    right, odd = (suspicion[own].mean().item() for own, _ in kinds)
    alt = f"{title}: mean {right:.2f} where the label is right, {odd:.2f} where it is wrong."
    return Panel(title, alt, draw, (350, 210), note)


def _edges(values: Tensor) -> Tensor:
    """Bins over all values; a little room where they are all the same."""
    low, high = values.min().double(), values.max().double()
    room = 0.02 * (high - low) + 1e-3
    return torch.linspace(float(low - room), float(high + room), _BINS + 1, dtype=torch.float64)
