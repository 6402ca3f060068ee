"""Adam for the perturbation network: of every step, the part that stands out of the noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam


class GatedAdam(Adam):
    """Adam whose steps are shrunk, tensor by tensor, by how much of the momentum may be noise.

    A hypergradient of one step ahead on a few meta images is mostly noise, and Adam makes all
    gradients alike in size: where the mean gradient vanishes, it turns the noise into full steps,
    and the network drifts. The momentum m of gradients without a mean has the size

        E |m|^2 = (1 - b1) / (1 + b1) * (1 + b1^t) / (1 - b1^t) * |v|_1

    (bias-corrected m and v at step t, sums over a tensor). The step is multiplied by
    `max(0, 1 - E |m|^2 / |m|^2)`, the positive-part James-Stein estimate of the mean (James and
    Stein 1961; Baranchik 1964): near 1 where gradients agree, 0 where they might as well have none.
    Not in arXiv 2505.15246. Arguments, state and checkpoints are those of `torch.optim.Adam`.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step; a closure is called first, so that the gradients are there that it leaves."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        before = [p.clone() for p in held]
        super().step()
        betas = {p: group["betas"] for group in self.param_groups for p in group["params"]}
        for parameter, start in zip(held, before, strict=True):
            gate = _gate(self.state[parameter], *betas[parameter])
            parameter.copy_(torch.lerp(start, parameter, gate))
        return loss


def _gate(state: dict[str, Tensor], beta1: float, beta2: float) -> Tensor:
    """The share of a tensor's step that is taken, a scalar."""
    steps = float(state["step"])
    kept1, kept2 = beta1**steps, beta2**steps
    first, second = state["exp_avg"] / (1 - kept1), state["exp_avg_sq"] / (1 - kept2)
    noise = (1 - beta1) / (1 + beta1) * (1 + kept1) / (1 - kept1) * second.sum()
    size = first.square().sum().clamp_min(torch.finfo(first.dtype).tiny)
    gate: Tensor = (1 - noise / size).clamp_min(0)
    return gate
