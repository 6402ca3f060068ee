"""The spurious expert: what it sees, what it learns, and when."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.optim import SGD

from causalogit.core import CausalLogitPerturbation, PerturbationNetwork, SpuriousExpert

from .nets import OPTIMIZERS, batch, plain_step, small_net


def remove(images: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
    return (1 - masks) * images


def expert(dropout: float = 0.0) -> SpuriousExpert:
    network = small_net(dropout=dropout)
    return SpuriousExpert(network, SGD(network.parameters(), lr=0.1, momentum=0.9), remove)


def masked_batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    images, labels = batch(8, seed=seed)
    return images, (torch.rand(8, 1, 5, 5) < 0.5).float(), labels


def test_it_learns_from_counterfactual_images_after_it_has_spoken() -> None:
    own = expert()
    twin, twin_optimizer = copy.deepcopy((own.network, own.optimizer))
    for seed in range(3):
        images, masks, labels = masked_batch(seed)
        said = own.step(images, masks, labels)
        # train mode: speaking and learning are one forward pass
        spoken = copy.deepcopy(twin)((1 - masks) * images).log_softmax(1)
        plain_step(twin, twin_optimizer, (1 - masks) * images, labels)
        torch.testing.assert_close(said, spoken.detach(), rtol=0, atol=0)
        assert not said.requires_grad
        torch.testing.assert_close(own.network.state_dict(), twin.state_dict(), rtol=0, atol=0)


def test_it_answers_without_learning() -> None:
    own = expert()
    weights = copy.deepcopy(dict(own.network.named_parameters()))
    images, masks, labels = masked_batch()
    answer = own.log_probabilities(images, masks, labels)
    torch.testing.assert_close(answer.exp().sum(1), torch.ones(8))
    assert not answer.requires_grad
    torch.testing.assert_close(dict(own.network.named_parameters()), weights, rtol=0, atol=0)


def test_it_goes_on_where_a_checkpoint_stopped() -> None:
    whole, resumed = expert(), expert()
    whole.step(*masked_batch(0))
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    following = masked_batch(1)  # its momentum counts
    whole.step(*following)
    resumed.step(*following)
    torch.testing.assert_close(
        resumed.network.state_dict(), whole.network.state_dict(), rtol=0, atol=0
    )


def perturber(own: SpuriousExpert | None) -> CausalLogitPerturbation:
    model = small_net()
    network = PerturbationNetwork(10, 3, "expert", bound=2.0)
    return CausalLogitPerturbation(
        model, OPTIMIZERS["sgd"](model), [batch(4)], 3, network=network, expert=own
    )


def test_a_step_adds_alpha_times_what_the_expert_says() -> None:
    own = expert()
    clp = perturber(own)
    clp.network_optimizer.param_groups[0]["lr"] = 0.0
    images, masks, labels = masked_batch()
    said = copy.deepcopy(own).step(images, masks, labels)
    before = copy.deepcopy(own.network.state_dict())
    metrics = clp.step(images, labels, masks)
    assert metrics["delta/alpha"] == pytest.approx(1.0)  # half the bound
    assert metrics["delta/label"] == pytest.approx(said[range(8), labels].mean().item())
    assert not torch.equal(own.network[0].weight, before["0.weight"])


def test_what_is_missing_is_named() -> None:
    images, masks, labels = masked_batch()
    with pytest.raises(ValueError, match="'expert' needs an `expert`"):
        perturber(None).step(images, labels, masks)
    with pytest.raises(ValueError, match="'expert' needs masks in `step`"):
        perturber(expert()).step(images, labels)
