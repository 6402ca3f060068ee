"""Attention maps: which pixels a classifier's answer rests on.

Tried with LeNet on the coloured digits, for a classifier known to go by the background and one
known to go by the digit (in brackets: share of the mass on the digit, which covers 0.19):

- occlusion tells the two apart (0.15 and 0.62), and its maps can be read;
- integrated gradients depend on the baseline: black favours the white digit (0.44 and 0.66), grey
  and the mean colour give noise (0.32 and 0.43);
- Grad-CAM has 8 x 8 cells on LeNet, coarser than a stroke (0.17 and 0.23); some maps are empty.

So occlusion is the default. Grad-CAM is there for deep networks on large images, where its grid is
fine enough and occlusion takes hundreds of passes an image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.modes import eval_mode

AttentionMethod = Literal["occlusion", "grad_cam"]

LARGE: Final = 96
"""Pixels of a side from which occlusion in small steps takes too many passes."""

_HEAD = 5  # layers with weights that a convolutional network may end in
_PASS = 256  # images in one forward pass: more leave the caches of a CPU


def attention_maps(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    method: AttentionMethod = "occlusion",
    *,
    fill: Tensor | None = None,
    window: int | None = None,
    stride: int | None = None,
) -> Tensor:
    """Evidence for `targets` by place, each map scaled to a largest value of 1.

    **occlusion** (Zeiler and Fergus 2014): slide a square of one colour over the image; a place
    counts as much as the target's logit, less the mean of all logits, falls on average while the
    place is hidden. Only falls count: what spoke *for* the answer. It needs nothing but the
    outputs. Weaknesses: the hidden square is an image the model has never seen; a map is blurred
    by the size of the square, so a model that reads a thin stroke still gets mass beside it; and
    what two places say alike is credited to neither, since hiding one of them changes little.

    **grad_cam** (Selvaraju et al. 2017): activations of the last convolution, weighted by the
    target's mean gradient, negative parts dropped. Weaknesses: as coarse as that layer; a
    weighting by averages can miss what small parts say; for convolutional networks only: what the
    one convolution of a vision transformer sees, its patches, is no evidence yet.

    The model is in eval mode meanwhile and gets its modes back; no gradient is written and no hook
    stays.

    Args:
        model: maps images to logits `(B, C)`.
        images: `(B, K, H, W)`, on the model's device.
        targets: class whose evidence is sought, `(B,)`; the prediction, to ask "why this answer?".
        method: "occlusion" or "grad_cam".
        fill: colour of the occluding square, `(K,)`; 0.5 by default, the data's mean is better.
        window: its side in pixels; a seventh of the shorter side of the image by default.
        stride: pixels between two of its places; half a window by default.

    Returns:
        Maps `(B, H, W)`, at least 0; all 0 where nothing speaks for the target.

    Raises:
        ValueError: an unknown method, or Grad-CAM of a model without a convolution deep in it.
    """
    with eval_mode(model):
        if method == "occlusion":
            side = min(images.shape[2:])
            window = window or max(2, side // 7)
            maps = _occlusion(model, images, targets, fill, window, stride or max(1, window // 2))
        elif method == "grad_cam":
            maps = _grad_cam(model, images, targets)
        else:
            raise ValueError(f"attention method '{method}': choose 'occlusion' or 'grad_cam'")
    maps = maps.clamp_min(0)
    largest = maps.flatten(1).amax(1)[:, None, None]
    return torch.where(largest > 0, maps / largest.clamp_min(torch.finfo(maps.dtype).tiny), 0.0)


def suitable_method(model: nn.Module, images: Tensor, least_cells: int = 2) -> AttentionMethod:
    """Occlusion of small images; Grad-CAM of large ones, where a convolution is deep in the model.

    Args:
        model: maps images to logits.
        images: `(B, K, H, W)`, on its device.
        least_cells: along a side of a Grad-CAM that is fine enough.
    """
    if min(images.shape[2:]) < LARGE:
        return "occlusion"
    with eval_mode(model):
        last = _deep_convolution(model, images[:1])
    return "grad_cam" if last is not None and last.cells >= least_cells else "occlusion"


def attention_inside(maps: Tensor, masks: Tensor) -> Tensor:
    """Share of each map's mass that lies on the object, `(B,)`; nan where a map has no mass.

    A map that looks everywhere alike has the object's share of the image's area: compare with it.

    Args:
        maps: `(B, H, W)`, at least 0.
        masks: `(B, 1, H, W)` in [0, 1], 1 on the object.
    """
    return (maps * masks[:, 0]).sum((1, 2)) / maps.sum((1, 2))


def _occlusion(
    model: nn.Module, images: Tensor, targets: Tensor, fill: Tensor | None, window: int, stride: int
) -> Tensor:
    from captum.attr import Occlusion

    channels = images.shape[1]
    colour = torch.full((channels,), 0.5) if fill is None else fill
    baseline = colour.to(images)[None, :, None, None]
    occlusion = Occlusion(_centred(model))
    at_once = 8
    parts = [
        occlusion.attribute(
            some,
            sliding_window_shapes=(channels, window, window),
            strides=(channels, stride, stride),
            baselines=baseline.expand_as(some),
            target=answers,
            perturbations_per_eval=at_once,
        ).mean(1)
        for some, answers in zip(
            images.detach().split(_PASS // at_once), targets.split(_PASS // at_once), strict=True
        )
    ]
    return torch.cat(parts)


def _centred(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Logits less their mean, which softmax does not see."""

    def forward(images: Tensor) -> Tensor:
        logits: Tensor = model(images)
        return logits - logits.mean(1, keepdim=True)

    return forward


def _grad_cam(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    from captum.attr import LayerGradCam

    last = _deep_convolution(model, images[:1])
    if last is None:
        raise ValueError(
            "grad_cam needs a convolution with a spatial output deep in the network: use "
            "'occlusion'"
        )
    parts = []
    with torch.enable_grad():
        for some, answers in zip(images.split(_PASS), targets.split(_PASS), strict=True):
            # a leaf that asks for gradients, in case all weights are frozen
            leaf = some.detach().clone().requires_grad_()
            cam = LayerGradCam(model, last.layer).attribute(
                leaf, target=answers, relu_attributions=True
            )
            parts.append(cam.detach())
    size = images.shape[2:]
    return F.interpolate(torch.cat(parts), size, mode="bilinear", align_corners=False).squeeze(1)


class _Ran(NamedTuple):
    """A convolution, cells along the shorter side of its output, layers with weights around it."""

    layer: nn.Conv2d
    cells: int
    before: int
    behind: int


def spatial_convolutions(model: nn.Module, images: Tensor) -> list[nn.Conv2d]:
    """The convolutions that run on more than one place (squeeze-and-excite has one), in order."""
    return [ran.layer for ran in _ran(model, images)]


def _deep_convolution(model: nn.Module, images: Tensor) -> _Ran | None:
    """The last of them, unless most of the network is behind it."""
    ran = _ran(model, images)
    return ran[-1] if ran and ran[-1].behind <= max(_HEAD, ran[-1].before) else None


def _ran(model: nn.Module, images: Tensor) -> list[_Ran]:
    ran: list[tuple[nn.Module, Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, _, output: ran.append((layer, output)))
        for layer in model.modules()
        if any(True for _ in layer.parameters(recurse=False))
    ]
    try:
        with torch.no_grad():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return [
        _Ran(layer, min(output.shape[2:]), place, len(ran) - place - 1)
        for place, (layer, output) in enumerate(ran)
        if isinstance(layer, nn.Conv2d) and output.shape[2:].numel() > 1
    ]
