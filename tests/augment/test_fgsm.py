"""FGSM: the step itself, and a model left exactly as it was."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.augment import Fgsm


class Classifier(nn.Module):
    """Batch norm, dropout, and a dropout that ignores eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.BatchNorm2d(3)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh())
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 5 * 6, 3))
        self.restless = False
        self.train()
        self.frozen.eval()

    def forward(self, images: Tensor) -> Tensor:
        if self.restless:
            images = F.dropout(images, 0.5, training=True)
        logits: Tensor = self.head(self.features(self.frozen(images)))
        return logits


@pytest.fixture
def model() -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Classifier()


@pytest.fixture
def images(generator: torch.Generator) -> Tensor:
    return torch.rand(4, 3, 5, 6, generator=generator)


LABELS = torch.tensor([0, 2, 1, 1])


def test_the_step_of_a_linear_model_in_closed_form(generator: torch.Generator) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(30, 3)).double()
    images = torch.rand(4, 1, 5, 6, generator=generator, dtype=torch.float64)
    fill = Fgsm(model, epsilon=0.1, low=0.05, high=0.9)(images, images, LABELS, generator)
    for image, label, result in zip(images, LABELS, fill, strict=True):
        error = model(image[None])[0].softmax(0)
        error[label] -= 1
        gradient = (model[1].weight.T @ error).reshape(1, 5, 6)
        expected = (image + 0.1 * gradient.sign()).clamp(0.05, 0.9)
        assert torch.equal(result, expected.detach())


def test_the_batch_is_stepped_as_each_image_alone_in_eval_mode(
    model: Classifier, images: Tensor, generator: torch.Generator
) -> None:
    fill = Fgsm(model, epsilon=0.1)(images, images, LABELS, generator)
    model.eval()
    for b in range(4):
        image = images[b : b + 1].clone().requires_grad_()
        loss = F.cross_entropy(model(image), LABELS[b : b + 1])
        (gradient,) = torch.autograd.grad(loss, image)
        expected = (image.detach() + 0.1 * gradient.sign()).clamp(0, 1)
        assert torch.equal(fill[b : b + 1], expected)


def test_a_small_step_raises_the_loss(
    model: Classifier, images: Tensor, generator: torch.Generator
) -> None:
    fill = Fgsm(model, epsilon=0.01)(images, images, LABELS, generator)
    model.eval()
    before = F.cross_entropy(model(images), LABELS, reduction="none")
    assert (F.cross_entropy(model(fill), LABELS, reduction="none") > before).all()


def test_the_default_step_is_half_the_range(model: Classifier) -> None:
    assert Fgsm(model) == Fgsm(model, epsilon=0.5, low=0.0, high=1.0)


def snapshot(model: nn.Module) -> tuple[list[bool], list[Tensor | None], dict[str, Tensor]]:
    modes = [module.training for module in model.modules()]
    return modes, [p.grad for p in model.parameters()], copy.deepcopy(model.state_dict())


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(
    model: Classifier, images: Tensor, generator: torch.Generator, gradients: bool, fails: bool
) -> None:
    if gradients:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
    modes, grads, state = snapshot(model)
    assert sorted(set(modes)) == [False, True]
    if fails:
        with pytest.raises(IndexError, match="out of bounds"):
            Fgsm(model)(images, images, LABELS + 7, generator)
    else:
        Fgsm(model)(images, images, LABELS, generator)
    modes_after, grads_after, state_after = snapshot(model)
    assert modes_after == modes
    assert all(a is b for a, b in zip(grads_after, grads, strict=True))
    assert not gradients or all(grad is not None and (grad == 1).all() for grad in grads_after)
    assert all(torch.equal(state_after[name], state[name]) for name in state)


@pytest.mark.parametrize("fails", [False, True])
def test_no_random_state_moves(
    model: Classifier, images: Tensor, generator: torch.Generator, fails: bool
) -> None:
    model.restless = True
    world, own = torch.get_rng_state(), generator.get_state()
    if fails:
        with pytest.raises(IndexError, match="out of bounds"):
            Fgsm(model)(images, images, LABELS + 7, generator)
    else:
        Fgsm(model)(images, images, LABELS, generator)
    assert torch.equal(torch.get_rng_state(), world)
    assert torch.equal(generator.get_state(), own)


def test_it_works_without_gradients_around_it_and_leaves_no_graph(
    model: Classifier, images: Tensor, generator: torch.Generator
) -> None:
    expected = Fgsm(model)(images, images, LABELS, generator)
    assert not images.requires_grad
    with torch.no_grad():
        assert torch.equal(Fgsm(model)(images, images, LABELS, generator), expected)
    images.requires_grad_()
    fill = Fgsm(model)(images, images, LABELS, generator)
    assert not fill.requires_grad
    assert images.grad is None
    assert torch.equal(fill, expected)


@pytest.mark.parametrize("settings", [{"epsilon": -0.1}, {"low": 1.0}])
def test_settings_without_sense_are_refused(model: Classifier, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be at least 0, and low"):
        Fgsm(model, **settings)
