"""The counterfactual loss and the saliency penalty."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from causalogit.core import CausalLogitPerturbation, counterfactual_loss, saliency_penalty

from .nets import OPTIMIZERS, batch, random_state, set_random_state, small_net


@pytest.mark.parametrize("num_classes", [2, 3, 50])
def test_counterfactual_loss_is_minus_log_of_not_y(num_classes: int) -> None:
    logits = 2 * torch.randn(7, num_classes, dtype=torch.float64)
    labels = torch.randint(num_classes, (7,))
    expected = 0.0
    for u, y in zip(logits.tolist(), labels.tolist(), strict=True):
        p = math.exp(u[y]) / sum(math.exp(v) for v in u)
        expected -= math.log(1 - p) / 7
    assert counterfactual_loss(logits, labels).item() == pytest.approx(expected, 1e-10)


@pytest.mark.parametrize("scale", [1e4, -1e4, 0.0])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_counterfactual_loss_and_its_gradient_stay_finite(scale: float, num_classes: int) -> None:
    labels = torch.tensor([0, 1])
    logits = torch.zeros(2, num_classes)
    logits[range(2), labels] = scale
    logits.requires_grad_()
    loss = counterfactual_loss(logits, labels)
    (gradient,) = torch.autograd.grad(loss, logits)
    # as sure as can be of y: the loss grows like the logit, and so pushes with all its weight
    assert loss.item() == pytest.approx(max(scale, 0), abs=3)
    assert gradient.isfinite().all()
    if scale > 0:
        torch.testing.assert_close(gradient[range(2), labels], torch.full((2,), 0.5))


def test_saliency_penalty_against_a_loop() -> None:
    model = small_net(dropout=0.0).double().eval()
    images, labels = batch(4)
    images, masks = images.double(), torch.rand(4, 1, 5, 5, dtype=torch.float64)
    total = weight = 0.0
    for image, mask, label in zip(images, masks, labels, strict=True):
        pixels = image[None].requires_grad_()
        own = model(pixels).log_softmax(1)[0, label]
        (slope,) = torch.autograd.grad(own, pixels)
        for channel in range(image.shape[0]):
            for row in range(5):
                for column in range(5):
                    background = 1 - mask[0, row, column].item()
                    total += background * slope[0, channel, row, column].item() ** 2
                    weight += background
    images = images.requires_grad_()
    penalty = saliency_penalty(model(images).log_softmax(1), images, masks, labels)
    assert penalty.item() == pytest.approx(total / weight, 1e-10)


def test_saliency_penalty_has_a_gradient_and_is_zero_without_background() -> None:
    model = small_net(dropout=0.0)
    images, labels = batch(4)
    images.requires_grad_()
    log_probabilities = model(images).log_softmax(1)
    some = saliency_penalty(log_probabilities, images, torch.zeros(4, 1, 5, 5), labels)
    (gradient,) = torch.autograd.grad(some, model[0].weight, retain_graph=True)
    assert gradient.abs().sum() > 0
    none = saliency_penalty(log_probabilities, images, torch.ones(4, 1, 5, 5), labels)
    assert none.item() == 0


def penalty_gradients(
    model: nn.Module, images: Tensor, masks: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    """In the plainest way: input gradients with a graph, squared, on the background."""
    images = images.clone().requires_grad_()
    own = model(images).log_softmax(1)[range(len(labels)), labels].sum()
    (slope,) = torch.autograd.grad(own, images, create_graph=True)
    background = (1 - masks).expand_as(images)
    penalty = (background * slope**2).sum() / background.sum()
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(penalty, parameters, allow_unused=True)
    return {
        n: torch.zeros_like(p) if g is None else g
        for n, p, g in zip(names, parameters, gradients, strict=True)
    }


@pytest.mark.parametrize(("fraction", "count"), [(1.0, 8), (0.5, 4), (0.01, 1)])
def test_a_step_adds_the_gradient_of_the_saliency_term(fraction: float, count: int) -> None:
    torch.manual_seed(1)
    model = small_net(dropout=0.0).double()
    model[1].eval()  # running statistics, so that the penalty of a part is that of its samples
    images, labels = batch(8)
    images, masks = images.double(), (torch.rand(8, 1, 5, 5) < 0.5).double()
    expected = {
        n: 3.0 * g
        for n, g in penalty_gradients(model, images[:count], masks[:count], labels[:count]).items()
    }
    torch.nn.functional.cross_entropy(model(images), labels).backward()
    plain = {n: p.grad.clone() for n, p in model.named_parameters()}
    clp = CausalLogitPerturbation(
        model,
        OPTIMIZERS["nesterov"](model),
        [tuple(t.double() if t.is_floating_point() else t for t in batch(4))],
        3,
        saliency_weight=3.0,
        saliency_fraction=fraction,
    )
    clp.network_optimizer.param_groups[0]["lr"] = 0.0  # delta stays zero
    clp.step(images, labels, masks)
    assert sum(g.abs().sum() for g in expected.values()) > 1e-3
    torch.testing.assert_close(
        {n: p.grad - plain[n] for n, p in model.named_parameters()}, expected, rtol=0, atol=1e-12
    )


def test_the_saliency_term_eats_no_random_numbers() -> None:
    model = small_net()
    images, labels = batch(8)
    start = random_state()
    model(images)  # dropout draws once
    expected = random_state()
    clp = CausalLogitPerturbation(
        model,
        OPTIMIZERS["sgd"](model),
        [batch(4)],
        3,
        saliency_weight=1.0,
    )
    set_random_state(start)
    clp.step(images, labels, torch.zeros(8, 1, 5, 5))
    assert torch.equal(random_state(), expected)


def test_the_saliency_term_needs_masks() -> None:
    model = small_net()
    clp = CausalLogitPerturbation(
        model, OPTIMIZERS["sgd"](model), [batch(4)], 3, saliency_weight=1.0
    )
    with pytest.raises(ValueError, match="the saliency regulariser needs masks"):
        clp.step(*batch(8))
