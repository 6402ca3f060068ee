"""Training under a strong perturbation is as fast as plain training, and the engine counts it."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from causalogit.core import CausalLogitPerturbation, Pace, PerturbationNetwork

from .nets import OPTIMIZERS, batch, small_net


def labels() -> Tensor:
    return torch.tensor([0, 1, 2, 0])


def delta_of(probability: float) -> Tensor:
    """Says each label with this probability, the two others alike."""
    rest = torch.full((4, 3), (1 - probability) / 2)
    return rest.scatter(1, labels()[:, None], probability).log()


def test_it_is_the_ratio_of_what_is_left_to_learn() -> None:
    assert Pace(100.0).after(delta_of(0.9), labels()) == pytest.approx((2 / 3) / 0.1)
    assert Pace(100.0).after(torch.zeros(4, 3), labels()) == pytest.approx(1.0)
    # a constant on all logits says nothing
    assert Pace(100.0).after(torch.full((4, 3), 7.0), labels()) == pytest.approx(1.0)


def test_it_has_a_limit_and_can_be_off() -> None:
    assert Pace(5.0).after(delta_of(0.9), labels()) == pytest.approx(5.0)
    off = Pace()
    assert off.after(delta_of(0.9), labels()) == 1.0
    assert off.left is None


def test_it_goes_by_a_mean_over_many_steps() -> None:
    pace = Pace(100.0, memory=0.5)
    pace.after(delta_of(0.9), labels())  # 0.1 left
    assert pace.after(delta_of(0.7), labels()) == pytest.approx((2 / 3) / 0.2)
    assert pace.after(delta_of(0.8), labels()) == pytest.approx((2 / 3) / 0.2)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("limit", [1.0, 3.0])
def test_a_step_descends_the_paced_loss_under_what_the_expert_says(limit: float) -> None:
    model = small_net()
    twin = copy.deepcopy(model)
    network = PerturbationNetwork(10, 3, "expert", bound=2.0)
    clp = CausalLogitPerturbation(
        model,
        torch.optim.SGD(model.parameters(), lr=0.1),
        [batch(4, seed=9)],
        3,
        network=network,
        network_optimizer=torch.optim.SGD(network.parameters(), lr=0.0),
        pace=Pace(limit),
    )
    images, labels = batch(4)
    said = (5 * F.one_hot(labels, 3).double()).log_softmax(1)
    torch.manual_seed(1)  # dropout
    metrics = clp.step(images, labels, spurious=said)
    assert metrics["delta/alpha"] == pytest.approx(1.0)  # where it begins
    assert metrics.get("pace", 1.0) == pytest.approx(limit)

    torch.manual_seed(1)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    (limit * F.cross_entropy(twin(images) + said, labels)).backward()
    optimizer.step()
    torch.testing.assert_close(model.state_dict(), twin.state_dict(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("bound", "start"), [(None, 1.0), (4.0, 1.0), (1.0, 0.9), (0.5, 0.45)])
def test_the_experts_strength_begins_where_it_says_all_it_knows(
    bound: float | None, start: float
) -> None:
    network = PerturbationNetwork(2, 3, "expert", bound=bound)
    said = torch.randn(4, 3)
    delta = network(torch.zeros(4, 2), labels(), said)
    torch.testing.assert_close(delta, start * said, rtol=1e-4, atol=1e-5)


def test_what_is_missing_is_named() -> None:
    model = small_net()
    network = PerturbationNetwork(10, 3, "expert")
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), [batch(4)], 3, network=network)
    with pytest.raises(ValueError, match="to every step, as spurious="):
        clp.step(*batch(4))


def test_the_strength_is_read_where_the_label_has_more_than_the_expert_says() -> None:
    model = small_net()
    network = PerturbationNetwork(10, 3, "expert_target", bound=5.0)
    with torch.no_grad():
        network.mlp[-1].bias[1] = 1.0
    clp = CausalLogitPerturbation(
        model, torch.optim.SGD(model.parameters(), lr=0.1), [batch(4)], 3, network=network
    )
    images, labels = batch(4)
    said = (2 * F.one_hot(labels.roll(1), 3).float()).log_softmax(1)
    assert clp.step(images, labels, spurious=said)["delta/alpha"] == pytest.approx(0.9, abs=0.01)
    clp.network = PerturbationNetwork(10, 3, "vector")
    assert "delta/alpha" not in clp.step(images, labels, spurious=said)
