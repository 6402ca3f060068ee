"""Fills by name, for configurations and command lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from causalogit.augment.fgsm import Fgsm
from causalogit.augment.fills import Fill, Grey, RandomColour, Shuffle
from causalogit.augment.images import Counterfactual, Factual, Restyled
from causalogit.augment.inpainters import OpenCv, covering_masks
from causalogit.augment.masks import box_masks
from causalogit.augment.mixed_rand import MixedRand
from causalogit.augment.restyle import Greyscale, Patches, Recolour, Retexture, Smooth
from causalogit.augment.tile import Tile


def _fgsm(*, model: nn.Module | None, epsilon: float, low: float, high: float, **_: object) -> Fill:
    if model is None:
        raise ValueError("the fill fgsm steps against a model; give make_fill(..., model=...)")
    return Fgsm(model, epsilon, low, high)


def _inpainter(*, inpainter: Fill | None, **_: object) -> Fill:
    if inpainter is None:
        raise ValueError("the fill inpainter needs one; give make_fill(..., inpainter=...)")
    return inpainter


def _mixed_rand(
    *,
    any_class: bool,
    mean: Sequence[float] | Tensor | float,
    noise: float,
    low: float,
    high: float,
    **_: object,
) -> Fill:
    return MixedRand(Tile(Grey(mean)), RandomColour(noise, low, high), any_class)


FILLS: dict[str, Callable[..., Fill]] = {
    "grey": lambda *, mean, **_: Grey(mean),
    "random": lambda *, noise, low, high, **_: RandomColour(noise, low, high),
    "shuffle": lambda **_: Shuffle(),
    "patches": lambda **_: Patches(),
    "tile": lambda *, mean, **_: Tile(Grey(mean)),
    "mixed_rand": lambda **settings: _mixed_rand(any_class=False, **settings),
    "mixed_any": lambda **settings: _mixed_rand(any_class=True, **settings),
    "fgsm": _fgsm,
    "opencv": lambda *, mean, **_: OpenCv(fallback=Grey(mean)),
    "inpainter": _inpainter,
    "greyscale": lambda **_: Greyscale(),
    "recolour": lambda **_: Recolour(),
    "smooth": lambda **_: Smooth(),
    "retexture": lambda **_: Retexture(),
}
"""Builders by name. Each takes all settings of `make_fill` by keyword and picks its own."""

RESTYLES = ("greyscale", "recolour", "smooth", "retexture")
"""Fills that keep the object and change how it looks, for `Restyled`."""


INPAINTERS = ("opencv", "inpainter")
"""Fills that paint the old background on, for `Counterfactual` alone."""


def make_fill(
    name: str,
    *,
    mean: Sequence[float] | Tensor | float = 0.5,
    noise: float = 0.2,
    low: float = 0.0,
    high: float = 1.0,
    epsilon: float = 0.5,
    model: nn.Module | None = None,
    inpainter: Fill | None = None,
) -> Fill:
    """Build a fill by its name in `FILLS`; settings that it has no use for are ignored.

    Args:
        name: One of `FILLS`.
        mean: Colour of `Grey`, also where tile, the mixed ones and opencv fall back on it.
        noise: Standard deviation of `RandomColour`, also where the mixed ones fall back on it.
        low: Least pixel value.
        high: Greatest pixel value.
        epsilon: Step of `Fgsm`, in pixel values.
        model: What `Fgsm` steps against.
        inpainter: What "inpainter" is, see `find_inpainter`.

    Returns:
        The fill.

    Raises:
        ValueError: The name is unknown, or fgsm has no model, or inpainter none, or OpenCV is
            missing, or a setting is out of its range.
    """
    if name not in FILLS:
        raise ValueError(f"unknown fill {name!r}; choose one of {', '.join(FILLS)}")
    return FILLS[name](
        mean=mean,
        noise=noise,
        low=low,
        high=high,
        epsilon=epsilon,
        model=model,
        inpainter=inpainter,
    )


def make_counterfactual(name: str, *, boxes: bool = False, **settings: Any) -> Counterfactual:
    """Images without their object by a fill's name.

    Args:
        name: One of `FILLS`; those of `INPAINTERS` paint over the object's rim as well, see
            `covering_masks`.
        boxes: Remove the mask's whole box.
        settings: Of `make_fill`, and its errors.
    """
    fill = make_fill(name, **settings)
    if name not in INPAINTERS:
        return Counterfactual(fill, box_masks if boxes else None)
    if not boxes:
        return Counterfactual(fill, covering_masks)
    return Counterfactual(fill, lambda masks: box_masks(covering_masks(masks), 0))


def make_factual(name: str, **settings: Any) -> Factual | Restyled:
    """Label-keeping images by a fill's name: on other backgrounds, or of other looks.

    Args:
        name: One of `FILLS`; those of `RESTYLES` take the object's place, all others that of the
            background.
        settings: Of `make_fill`, and its errors.

    Raises:
        ValueError: The fill is one of `INPAINTERS`, which leave the background as it is.
    """
    if name in INPAINTERS:
        raise ValueError(
            f"the fill {name} paints where the object was, and leaves the background as it is: "
            "choose another fill for new backgrounds"
        )
    fill = make_fill(name, **settings)
    return Restyled(fill) if name in RESTYLES else Factual(fill)
