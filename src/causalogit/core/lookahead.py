"""The virtual step of Eq. 8: what the real optimizer would do with a gradient, without doing it.

Every rule maps a parameter and its gradient to the next parameter and to its sensitivity, the
derivative of the next parameter by the gradient. For SGD (momentum, Nesterov, dampening, weight
decay), Adam and AdamW this derivative is diagonal, so it is one tensor of the parameter's shape;
the exact hypergradient needs nothing else from the optimizer. The rules are written out of place
and stay differentiable by the gradient, so that the unrolled oracle runs through the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

Group = Mapping[str, Any]
Rule = Callable[[Tensor, Tensor, Mapping[str, Any], Group], tuple[Tensor, Tensor]]


class LookAhead(NamedTuple):
    """W_hat and its diagonal derivative by the gradient, both by parameter name."""

    parameters: dict[str, Tensor]
    sensitivity: dict[str, Tensor]


def _sgd(
    parameter: Tensor, gradient: Tensor, state: Mapping[str, Any], group: Group
) -> tuple[Tensor, Tensor]:
    momentum, factor = group["momentum"], 1.0
    gradient = gradient + group["weight_decay"] * parameter
    if momentum:
        buffer = state.get("momentum_buffer")
        # torch's first step copies the gradient: dampening does not apply to it
        fresh = 1.0 if buffer is None else 1.0 - group["dampening"]
        buffer = gradient if buffer is None else momentum * buffer + fresh * gradient
        nesterov = group["nesterov"]
        factor = 1.0 + momentum * fresh if nesterov else fresh
        gradient = gradient + momentum * buffer if nesterov else buffer
    rate = group["lr"]
    return parameter - rate * gradient, torch.full_like(parameter, float(-rate * factor))


def _adam(
    parameter: Tensor, gradient: Tensor, state: Mapping[str, Any], group: Group
) -> tuple[Tensor, Tensor]:
    rate, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
    if group.get("decoupled_weight_decay", False):
        parameter = parameter * (1 - rate * decay)
    else:
        gradient = gradient + decay * parameter
    steps = float(state["step"]) + 1 if state else 1.0
    first = beta1 * state["exp_avg"] if state else torch.zeros_like(parameter)
    second = beta2 * state["exp_avg_sq"] if state else torch.zeros_like(parameter)
    first = first + (1 - beta1) * gradient
    second = second + (1 - beta2) * gradient**2
    correction1, correction2 = 1 - beta1**steps, (1 - beta2**steps) ** 0.5
    # a weight that never had a gradient has second = 0, where the root has no derivative
    root = torch.where(second > 0, second, torch.ones_like(second)).sqrt() * (second > 0)
    denominator = root / correction2 + group["eps"]
    slope = torch.where(
        second > 0, (1 - beta2) * gradient / (root.clamp_min(1e-38) * correction2), 0.0
    )
    sensitivity = (1 - beta1) / denominator - first * slope / denominator**2
    step = rate / correction1
    return parameter - step * first / denominator, (-step * sensitivity).detach()


def _adamw(
    parameter: Tensor, gradient: Tensor, state: Mapping[str, Any], group: Group
) -> tuple[Tensor, Tensor]:
    # before torch 2.7 AdamW was not an Adam, and its groups do not say that they decouple
    return _adam(parameter, gradient, state, {**group, "decoupled_weight_decay": True})


_RULES: dict[type[Optimizer], Rule] = {SGD: _sgd, Adam: _adam, AdamW: _adamw}


def check_optimizer(optimizer: Optimizer) -> None:
    """Refuse what the virtual step cannot mirror.

    Raises:
        ValueError: the optimizer is not SGD, Adam or AdamW, or uses `amsgrad` or `maximize`.
    """
    if type(optimizer) not in _RULES:
        raise ValueError(
            f"the virtual step (Eq. 8) mirrors SGD, Adam and AdamW of torch.optim exactly; "
            f"{type(optimizer).__name__} is not one of them: choose one of the three, and give it "
            "as it is, without what others have wrapped it in"
        )
    for option in ("amsgrad", "maximize"):
        if any(group.get(option, False) for group in optimizer.param_groups):
            raise ValueError(
                f"the virtual step (Eq. 8) does not mirror `{option}=True`: set it off"
            )


def check_owner(optimizer: Optimizer, network: nn.Module) -> None:
    """Refuse an optimizer of something else, with which the network would never learn.

    Raises:
        ValueError: it holds none of the network's trainable parameters, of which there are some.
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    own = [p for p in network.parameters() if p.requires_grad]
    if own and not any(id(p) in held for p in own):
        raise ValueError(
            "network_optimizer holds no parameter of the perturbation network: give the network "
            "that it was made for as network="
        )


def look_ahead(
    optimizer: Optimizer, parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]
) -> LookAhead:
    """W_hat: where `optimizer` would go with `gradients`, at its current rate and state.

    Args:
        optimizer: the classifier's own optimizer; it is read, not changed.
        parameters: the classifier's parameters by name; those that the optimizer does not hold
            stay where they are and are left out of the result.
        gradients: one gradient for each parameter, by the same names.

    Raises:
        ValueError: the optimizer holds none of the parameters.
    """
    names = {id(p): n for n, p in parameters.items()}
    rule = _RULES[type(optimizer)]
    ahead = LookAhead({}, {})
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name = names.get(id(parameter))
            if name is None:
                continue
            state = optimizer.state.get(parameter, {})
            ahead.parameters[name], ahead.sensitivity[name] = rule(
                parameter.detach(), gradients[name], state, group
            )
    if not ahead.parameters:
        raise ValueError(
            "the virtual step (Eq. 8) moves nothing: the optimizer holds none of the classifier's "
            "trainable parameters (solver `last_layer`: of its last layer)"
        )
    return ahead
