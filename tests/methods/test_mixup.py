"""Shares of mixtures, and the loss on them against a loop."""

from __future__ import annotations

import copy

import pytest
import torch
from scipy.stats import beta, kstest
from torch.nn import functional as F

from causalogit.config import ControlsConfig
from causalogit.methods import build_method
from causalogit.methods.mixup import mixed_loss, mixing_shares


@pytest.mark.parametrize("alpha", [0.2, 1.0, 2.0])
def test_shares_are_beta_and_come_from_the_generator(alpha):
    first, again = (mixing_shares(alpha, 4000, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, again)
    assert kstest(first.numpy(), beta(alpha, alpha).cdf).pvalue > 0.01
    assert kstest(first.numpy(), beta(alpha + 0.5, alpha + 0.5).cdf).pvalue < 1e-3


def test_loss_of_a_mixture_against_a_loop(make_task):
    task = make_task()
    first, second = (task.data.train.batch(torch.arange(i, i + 8) * 90) for i in (0, 2))
    shares = torch.linspace(0, 1, 8)
    total = 0.0
    for i, share in enumerate(shares.tolist()):
        image = share * first.images[i] + (1 - share) * second.images[i]
        log_p = F.log_softmax(task.model(image[None]), 1)[0]
        total -= share * log_p[first.labels[i]].item()
        total -= (1 - share) * log_p[second.labels[i]].item()
    loss = mixed_loss(task.model, first, second, shares)
    assert loss.item() == pytest.approx(total / 8, rel=1e-5)


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_mixup_mixes_a_batch_with_itself_in_another_order(alpha, make_task):
    task = make_task(method="mixup", controls=ControlsConfig(mixup_alpha=alpha))
    batch = task.data.train.batch(torch.arange(16) * 50)
    twin, draws = copy.deepcopy(task.model), torch.Generator().manual_seed(0)
    share = mixing_shares(alpha or 1.0, 1, draws)
    order = torch.randperm(16, generator=draws)
    other = task.data.train.batch((torch.arange(16) * 50)[order])
    expected = mixed_loss(twin, batch, other, share).item()
    assert build_method(task).step(batch)["loss/train"] == expected
    assert expected != F.cross_entropy(twin(batch.images), batch.labels).item()
