"""J t: how the logits change along a direction of the weights, at less than the full price.

PyTorch's forward mode computes the value of every layer anew beside its tangent, and takes batch
norm apart into elementary operations. Here

* the outputs of convolutions and linear layers are those of the forward pass that training has done
  already, so that a tangent costs its own two products, W' x + W x', alone;
* batch norm in training mode takes PyTorch's fused kernels: with x^ the normalised input,

      (gamma x^ + beta)' = gamma' x^ + beta' + gamma J x'

  whose first two terms are a batch norm with weights gamma' and beta', and whose last is its
  backward pass, because J, the Jacobian of x^, is symmetric.

Both are exact. Everything else is left to PyTorch's dual numbers; `core/batch_norm.py` has the
batch norm of several processes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual
from torch.nn import functional as F

from causalogit.core.calls import Calls, Function

PRODUCTS = frozenset({F.conv1d, F.conv2d, F.conv3d, F.linear})
"""Linear in their input and in their weight, called with (input, weight, bias, ...)."""


@cache
def load_rules() -> None:
    """Let PyTorch load what its forward mode needs, once, without the warning meant for itself.

    It compiles some rules by `torch.jit.script`, which it has deprecated.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.jit.*")
        with dual_level():
            make_dual(torch.zeros(()), torch.zeros(()))


class Tape(Calls):
    """Remembers what the convolutions and linear layers give that are called inside.

    The graph of a forward pass holds most of these tensors anyway.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[tuple[Tensor, int]] = []

    def call(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call, and remember."""
        out = func(*args, **kwargs)
        if func in PRODUCTS:
            self.outputs.append((out.detach(), out._version))
        return out


class Replay(Calls):
    """Forward mode for the same calls again, in the same order, inside of a `dual_level`.

    Args:
        tape: of a forward pass at the same weights, images and draws; without one all values are
            computed anew.
    """

    def __init__(self, tape: Tape | None) -> None:
        super().__init__()
        self._outputs: Iterator[tuple[Tensor, int]] = iter(tape.outputs if tape else ())

    def call(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A dual number of the same value, or what PyTorch makes of the call."""
        if func in PRODUCTS:
            return self._product(func, *args, **kwargs)
        if func is F.batch_norm and kwargs["training"]:
            return _batch_norm(args[0], kwargs["weight"], kwargs["bias"], kwargs["eps"])
        return func(*args, **kwargs)

    def _product(
        self,
        func: Callable[..., Tensor],
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *rest: Any,
        **options: Any,
    ) -> Tensor:
        (x, dx), (w, dw), db = _parts(input), _parts(weight), _parts(bias)[1]
        known, version = next(self._outputs, (None, 0))
        # a value that was overwritten since, as by a ReLU in place, is not that of the layer
        if dw is None or known is None or known._version != version:
            return func(input, weight, bias, *rest, **options)
        tangent = func(x, dw, db, *rest, **options)
        if dx is not None:
            tangent.add_(func(dx, w, None, *rest, **options))
        dual: Tensor = make_dual(known, tangent)
        return dual


def _batch_norm(input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """By the statistics of the batch; running ones are left alone."""
    x, dx = unpack_dual(input)
    (w, dw), (b, db) = _parts(weight), _parts(bias)

    def normalised(scale: Tensor | None, shift: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        return torch.native_batch_norm(x, scale, shift, None, None, True, 0.0, eps)

    out, mean, inverse_std = normalised(w, b)
    if dx is None:
        tangent = torch.zeros_like(out)
    else:
        tangent = torch.ops.aten.native_batch_norm_backward(
            dx, x, w, None, None, mean, inverse_std, True, eps, [True, False, False]
        )[0]  # fmt: skip
    if db is not None:
        tangent.add_(normalised(torch.zeros_like(db) if dw is None else dw, db)[0])
    elif dw is not None:
        tangent.add_(normalised(dw, None)[0])
    dual: Tensor = make_dual(out, tangent)
    return dual


def _parts(tensor: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Value and tangent."""
    return (None, None) if tensor is None else tuple(unpack_dual(tensor))
