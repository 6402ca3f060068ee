"""Batch norm by the statistics of the whole batch, of which every process has a part.

PyTorch's SyncBatchNorm is for GPUs, has no forward mode, and takes the place of layers: of those
that do more than normalise, such as timm's, the rest is lost. Here the layers stay as they are, and
their calls of `batch_norm` are answered; it works wherever processes can talk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.core import processes
from causalogit.core.calls import Calls, Function


@contextmanager
def whole_batch_norm() -> Iterator[None]:
    """Inside, batch norm in training mode normalises by the parts of all processes together.

    All of them must call it alike. With one process nothing changes.
    """
    if processes.count() == 1:
        yield
        return
    with _Together():
        yield


class _Together(Calls):
    """Answers calls of batch norm in training mode."""

    def call(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Of the whole batch, or what PyTorch makes of the call."""
        if func is F.batch_norm and kwargs["training"]:
            return batch_norm(*args, **kwargs)
        return func(*args, **kwargs)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`torch.nn.functional.batch_norm` in training mode, over the parts of all processes.

    Args:
        input: `(B, K, ...)`, this process's part; all parts are alike in size.
        running_mean: `(K,)`, moved towards the batch's; None leaves it alone.
        running_var: `(K,)`, likewise.
        weight: `(K,)`.
        bias: `(K,)`.
        training: taken as true.
        momentum: how far the running ones move.
        eps: added to the variance.

    Returns:
        `(B, K, ...)` in the input's type; statistics are computed in single precision at least.
    """
    wide = input.to(torch.promote_types(input.dtype, torch.float32))
    others = [0, *range(2, wide.dim())]
    variance, mean = torch.var_mean(wide, others, correction=0)
    means, variances = _Gathered.apply(torch.stack([mean, variance])).unbind(1)
    mean, variance = means.mean(0), variances.mean(0) + means.var(0, correction=0)
    with torch.no_grad():
        count = wide.numel() // len(mean) * len(means)
        unbiased = variance * (count / (count - 1))
        for running, now in ((running_mean, mean), (running_var, unbiased)):
            if running is not None:
                running.lerp_(now.detach().to(running.dtype), momentum)
    scale = (variance + eps).rsqrt()
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    if bias is not None:
        shift = shift + bias
    shape = (-1, *(1 for _ in others[1:]))
    return torch.addcmul(shift.view(shape), wide, scale.view(shape)).to(input.dtype)


class _Gathered(torch.autograd.Function):
    """What every process has, `(P, ...)`, as a function that can be differentiated at will."""

    @staticmethod
    def forward(own: Tensor) -> Tensor:
        return processes.gathered(own[None])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, change: Tensor) -> Tensor:
        """All have used the own part: what they ask of it is summed."""
        everyones: Tensor = _Gathered.apply(change)
        return everyones.sum(0)[processes.rank()]

    @staticmethod
    def jvp(ctx: Any, change: Tensor) -> Tensor:
        return processes.gathered(change[None])
