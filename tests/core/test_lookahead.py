"""The virtual step against the real optimizers of torch."""

from __future__ import annotations

import copy
import inspect
import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from causalogit.core import CausalLogitPerturbation
from causalogit.core.lookahead import LookAhead, check_optimizer, look_ahead

from .nets import draws, sgd_in_groups, small_net

SGD_GRID = [
    {"momentum": momentum, "dampening": dampening, "nesterov": nesterov, "weight_decay": decay}
    for momentum, dampening, nesterov, decay in itertools.product(
        (0.0, 0.9), (0.0, 0.3), (False, True), (0.0, 0.1)
    )
    if not nesterov or (momentum and not dampening)
]
ADAM_GRID = [
    {"betas": betas, "weight_decay": decay, "eps": eps}
    for betas, decay, eps in itertools.product(((0.9, 0.999), (0.5, 0.7)), (0.0, 0.1), (1e-8, 1e-2))
]
SINCE_TORCH_2_7 = {"decoupled_weight_decay"} & set(inspect.signature(Adam).parameters)
GRID: list[tuple[type[Optimizer], dict[str, object]]] = [
    *((SGD, options) for options in SGD_GRID),
    *((kind, options) for kind in (Adam, AdamW) for options in ADAM_GRID),
    *((Adam, {option: True, "weight_decay": 0.1}) for option in SINCE_TORCH_2_7),
    (Adam, {"lr": torch.tensor(0.05, dtype=torch.float64)}),
]


def gradients_of(model: nn.Module, seed: int) -> dict[str, Tensor]:
    generator = draws(seed)
    return {
        n: torch.randn(p.shape, dtype=p.dtype, generator=generator)
        for n, p in model.named_parameters()
    }


def real_step(model: nn.Module, optimizer: Optimizer, gradients: dict[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        parameter.grad = gradients[name].clone()
    optimizer.step()


def ahead_of(model: nn.Module, optimizer: Optimizer, gradients: dict[str, Tensor]) -> LookAhead:
    return look_ahead(optimizer, dict(model.named_parameters()), gradients)


@pytest.mark.parametrize(("kind", "options"), GRID, ids=str)
def test_w_hat_is_where_the_real_optimizer_goes(
    kind: type[Optimizer], options: dict[str, object]
) -> None:
    model = small_net().double()
    optimizer = kind(model.parameters(), **{"lr": 0.05, **options})
    for seed in range(4):
        gradients = gradients_of(model, seed)
        ahead = ahead_of(model, optimizer, gradients)
        twin, twin_optimizer = copy.deepcopy((model, optimizer))
        real_step(twin, twin_optimizer, gradients)
        torch.testing.assert_close(
            ahead.parameters, dict(twin.named_parameters()), rtol=1e-12, atol=1e-12
        )
        real_step(model, optimizer, gradients_of(model, seed + 50))


@pytest.mark.parametrize(("kind", "options"), GRID, ids=str)
@pytest.mark.parametrize("steps", [0, 2])
def test_sensitivity_is_the_numerical_derivative(
    kind: type[Optimizer], options: dict[str, object], steps: int
) -> None:
    model = small_net().double()
    optimizer = kind(model.parameters(), **{"lr": 0.05, **options})
    for seed in range(steps):
        real_step(model, optimizer, gradients_of(model, seed))
    gradients, h = gradients_of(model, 99), 1e-6
    up, down = (
        ahead_of(model, optimizer, {n: g + sign * h for n, g in gradients.items()}).parameters
        for sign in (1, -1)
    )
    # the first step of Adam is nearly the sign of the gradient: its slope is tiny but for eps
    torch.testing.assert_close(
        ahead_of(model, optimizer, gradients).sensitivity,
        {n: (up[n] - down[n]) / (2 * h) for n in up},
        rtol=1e-5,
        atol=1e-8,
    )


def test_groups_keep_their_own_settings_and_a_schedule_counts() -> None:
    model = small_net().double()
    optimizer = sgd_in_groups(model)
    for seed in range(3):
        optimizer.param_groups[seed % 2]["lr"] *= 0.5
        gradients = gradients_of(model, seed)
        ahead = ahead_of(model, optimizer, gradients)
        real_step(model, optimizer, gradients)
        torch.testing.assert_close(
            ahead.parameters, dict(model.named_parameters()), rtol=1e-12, atol=1e-12
        )


def test_adamw_decouples_though_its_groups_do_not_say_so() -> None:
    """Torch before 2.7 does not write the flag."""
    model = small_net().double()
    optimizer = AdamW(model.parameters(), lr=0.05, weight_decay=0.3)
    gradients = gradients_of(model, 0)
    expected = ahead_of(model, optimizer, gradients).parameters
    for group in optimizer.param_groups:
        group.pop("decoupled_weight_decay", None)
    torch.testing.assert_close(
        ahead_of(model, optimizer, gradients).parameters, expected, rtol=0, atol=0
    )


def test_what_the_optimizer_does_not_hold_is_left_out() -> None:
    model = small_net()
    ahead = ahead_of(model, SGD(model[-1].parameters(), 0.1), gradients_of(model, 0))
    assert set(ahead.parameters) == set(ahead.sensitivity) == {"7.weight", "7.bias"}


def test_the_optimizer_and_the_weights_are_only_read() -> None:
    model = small_net()
    optimizer = AdamW(model.parameters())
    real_step(model, optimizer, gradients_of(model, 0))
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    ahead_of(model, optimizer, gradients_of(model, 1))
    torch.testing.assert_close((model.state_dict(), optimizer.state_dict()), before, rtol=0, atol=0)


def test_adam_stays_finite_where_a_gradient_is_zero() -> None:
    model = small_net()
    optimizer = Adam(model.parameters())
    ahead = ahead_of(
        model, optimizer, {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    )
    for tensors in ahead:
        assert all(t.isfinite().all() for t in tensors.values())


class _MySGD(SGD):
    """May do anything in its step."""


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (RMSprop, {}, "SGD, Adam and AdamW .* RMSprop is not one of them"),
        (_MySGD, {}, "_MySGD is not one of them"),
        (Adam, {"amsgrad": True}, "does not mirror `amsgrad=True`"),
        (AdamW, {"amsgrad": True}, "does not mirror `amsgrad=True`"),
        (SGD, {"maximize": True}, "does not mirror `maximize=True`"),
        (Adam, {"maximize": True}, "does not mirror `maximize=True`"),
    ],
)
def test_what_cannot_be_mirrored_is_refused(
    kind: type[Optimizer], options: dict[str, bool], message: str
) -> None:
    model = small_net()
    optimizer = kind(model.parameters(), lr=0.1, **options)
    with pytest.raises(ValueError, match=message):
        check_optimizer(optimizer)
    with pytest.raises(ValueError, match=message):
        CausalLogitPerturbation(model, optimizer, [], 3)


def test_one_group_in_many_is_enough_to_refuse() -> None:
    model = small_net()
    groups = [
        {"params": model[0].parameters()},
        {"params": model[-1].parameters(), "amsgrad": True},
    ]
    with pytest.raises(ValueError, match="amsgrad"):
        check_optimizer(Adam(groups))
