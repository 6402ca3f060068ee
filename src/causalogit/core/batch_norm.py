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
    channels = wide.shape[1]
    weight = wide.new_ones(channels) if weight is None else weight.to(wide.dtype)
    bias = wide.new_zeros(channels) if bias is None else bias.to(wide.dtype)
    out, mean, variance = _BatchNorm.apply(wide, weight, bias, eps)
    with torch.no_grad():
        count = wide.numel() // channels * processes.count()
        unbiased = variance * (count / (count - 1))
        for running, now in ((running_mean, mean), (running_var, unbiased)):
            if running is not None:
                running.lerp_(now.to(running.dtype), momentum)
    result: Tensor = out.to(input.dtype)
    return result


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance `(K,)` of the whole batch."""
    mean = x.mean(_others(x))  # not torch.var_mean, which is ten times slower on a CPU
    variance = (x - _by_channel(mean, x)).square().mean(_others(x))
    means, variances = _Gathered.apply(torch.stack([mean, variance])).unbind(1)
    return means.mean(0), variances.mean(0) + means.var(0, correction=0)


class _BatchNorm(torch.autograd.Function):
    """Batch norm of the whole batch, and its mean and biased variance `(K,)`.

    With x^ the normalised input, M the mean over the whole batch, and g a derivative by the output,

        backward:  gamma / std * (g - M(g) - x^ M(x^ g))
        forward mode:  gamma / std * (x' - M(x') - x^ M(x^ x')) + gamma' x^ + beta'

    are the same product, as the Jacobian of x^ is symmetric.
    """

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = _statistics(x)
        out = F.batch_norm(x, mean, variance, weight, bias, eps=eps)
        return out, mean, variance

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, weight, _, ctx.eps = inputs
        _, mean, variance = output
        ctx.mark_non_differentiable(mean, variance)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.save_for_forward(x, weight, mean, variance)

    @staticmethod
    def backward(ctx: Any, change: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        if torch.is_grad_enabled():  # a graph of the gradient is asked for: with theirs
            mean, variance = _statistics(x)
        inverse_std = (variance + ctx.eps).rsqrt()
        product, along = _product(change, x, mean, inverse_std, weight)
        return product, along, change.sum(_others(x)), None

    @staticmethod
    def jvp(
        ctx: Any, dx: Tensor | None, dw: Tensor | None, db: Tensor | None, _: None
    ) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance = ctx.saved_tensors
        inverse_std = (variance + ctx.eps).rsqrt()
        tangent = torch.zeros_like(x)
        if dx is not None:
            tangent = _product(dx, x, mean, inverse_std, weight)[0]
        if dw is not None:
            tangent = tangent + F.batch_norm(x, mean, variance, dw, db, eps=ctx.eps)
        elif db is not None:
            tangent = tangent + _by_channel(db, x)
        return tangent, None, None


def _product(
    change: Tensor, x: Tensor, mean: Tensor, inverse_std: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """The derivative of the output by x times `change`; and the own sum of x^ `change`, `(K,)`."""
    centred = x - _by_channel(mean, x)
    along = (change * centred).sum(_others(x)) * inverse_std
    means = torch.stack([change.mean(_others(x)), along / (x.numel() // len(mean))])
    mean_change, mean_along = _Gathered.apply(means).mean(0)
    scale = weight * inverse_std
    shift = _by_channel(-scale * mean_change, x)
    product = torch.addcmul(shift, centred, _by_channel(-scale * inverse_std * mean_along, x))
    return product.addcmul_(change, _by_channel(scale, x)), along


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


def _others(x: Tensor) -> list[int]:
    """All dimensions but the channels'."""
    return [0, *range(2, x.dim())]


def _by_channel(values: Tensor, x: Tensor) -> Tensor:
    return values.view(-1, *(1 for _ in x.shape[2:]))
