"""How good a mask looks, without knowing the right one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

EMPTY: Final = 0.002
"""Below this share of the image, a mask counts as empty."""
FULL: Final = 0.95
"""From this share on, it counts as full."""
UNSURE: Final = 0.7
"""Below this confidence, it counts as unsure."""

CUT: Final = 0.5
"""Below this share within the middle square, it counts as cut off."""

_SIDE_TOUCHED = 0.02  # of a side's pixels
_MAYBE = 0.1  # a pixel above this may be object


@dataclass(frozen=True)
class Quality:
    """What a mask looks like.

    Attributes:
        area: share of the image that is object (above one half).
        confidence: how near to 0 or 1 the mask is where it may be object (above 0.1), from 0 (one
            half everywhere) to 1.
        border: share of the image's border pixels that are object.
        inside: share of the object that the middle square shows, all that training sees of an
            image; 1 where there is no object.
        sides: how many of the image's four sides the object touches.
    """

    area: float
    confidence: float
    border: float
    inside: float
    sides: int

    @property
    def flags(self) -> tuple[str, ...]:
        """What is suspicious: "empty", "full", "all sides", "cut off", "unsure"; mostly nothing."""
        found = {
            "empty": self.area < EMPTY,
            "full": self.area >= FULL,
            "all sides": self.sides == 4 and self.area < FULL,
            "cut off": self.inside < CUT,
            "unsure": self.confidence < UNSURE,
        }
        return tuple(name for name, is_so in found.items() if is_so)


def quality_of(mask: Tensor) -> Quality:
    """Look at a soft mask `(H, W)` in [0, 1]."""
    on = mask > 0.5
    sides = [on[0], on[-1], on[:, 0], on[:, -1]]
    inner = on[1:-1, 1:-1]
    at_border = on.sum() - inner.sum()
    maybe = mask[mask > _MAYBE]
    short = min(on.shape)
    top, left = ((side - short) // 2 for side in on.shape)
    middle = on[top : top + short, left : left + short]
    return Quality(
        area=on.double().mean().item(),
        confidence=(2 * maybe.double() - 1).abs().mean().item() if len(maybe) else 0.0,
        border=at_border.item() / max(on.numel() - inner.numel(), 1),
        inside=middle.sum().item() / on.sum().item() if on.any() else 1.0,
        sides=sum(bool(side.double().mean() > _SIDE_TOUCHED) for side in sides),
    )


def box_of(mask: Tensor) -> Tensor:
    """The box of a mask `(H, W)` as shares of its width and height: `(4,)`, x0, y0, x1, y1.

    All 0 where there is no object.
    """
    on = mask > 0.5
    if not on.any():
        return torch.zeros(4, dtype=torch.float64)
    rows, columns = on.any(1).nonzero(), on.any(0).nonzero()
    height, width = on.shape
    ends = (
        columns[0] / width,
        rows[0] / height,
        (columns[-1] + 1) / width,
        (rows[-1] + 1) / height,
    )
    return torch.cat(ends).double()
