"""What a step is given is checked, and what does not fit is named."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.optim import Adam

from causalogit.core import CausalLogitPerturbation, PerturbationNetwork

from .nets import OPTIMIZERS, batch, small_net


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.zeros(8, dtype=torch.int32)}, "labels are torch.int32"),
        ({"labels": torch.full((8,), 3)}, "labels go from 3 to 3, but there are 3 classes"),
        ({"masks": torch.zeros(8, 9, 9)}, r"give float masks \(B, 1, H, W\)"),
        ({"masks": torch.full((8, 1, 9, 9), 255.0)}, "masks go from 255 to 255: scale them"),
    ],
)
def test_inputs_that_do_not_fit_are_named(change: dict[str, Tensor], message: str) -> None:
    model = small_net()
    images, labels = batch(8)
    if "masks" in change:
        shape = (*change["masks"].shape[:-2], *images.shape[2:])
        change = {"masks": change["masks"][..., :1, :1].expand(shape)}
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), [batch(4)], 3)
    with pytest.raises(ValueError, match=message):
        clp.step(**{"images": images, "labels": labels} | change)


def test_a_softmax_behind_the_last_layer_is_refused() -> None:
    model = nn.Sequential(small_net(), nn.Softmax(1))
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), [batch(4)], 3)
    with pytest.raises(ValueError, match="leave the softmax to the loss"):
        clp.step(*batch(8))


IMAGES, LABELS = batch(4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": IMAGES, "label": LABELS}, "the meta loader gave a dict: give a DataLoader"),
        (IMAGES, "the meta loader gave a Tensor: give a DataLoader"),
        ((IMAGES, LABELS, IMAGES, LABELS), "the meta loader gave a tuple of 4"),
        ((IMAGES[0], 1), "the labels of the meta loader are int, not Tensor"),
        ((IMAGES, LABELS, ["a", "b"]), "the masks of the meta loader are list, not Tensor or None"),
        ((IMAGES, LABELS.int()), "the labels of the meta loader are torch.int32"),
        ((IMAGES, LABELS + 3), "the labels of the meta loader go from 3"),
        ((IMAGES, LABELS[:2]), r"the labels of the meta loader are torch.int64 \(2,\)"),
        ((IMAGES[:0], LABELS[:0]), "the images of the meta loader are"),
    ],
)
def test_meta_batches_that_do_not_fit_are_named(given: Any, message: str) -> None:
    model = small_net()
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), [given], 3)
    with pytest.raises(ValueError, match=message):
        clp.step(*batch(8))


def test_who_goes_on_after_an_empty_meta_loader_is_told_again() -> None:
    model = small_net()
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), iter([]), 3)
    for _ in range(2):
        with pytest.raises(ValueError, match="the meta loader gave no batch"):
            clp.step(*batch(8))


@pytest.mark.parametrize(
    "spurious", [torch.zeros(3), torch.zeros(1, 3), torch.zeros(8, 2), torch.zeros(8, 3).long()]
)
def test_what_cannot_be_log_probabilities_is_named(spurious: Tensor) -> None:
    model = small_net()
    network = PerturbationNetwork(10, 3, "expert")
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), [batch(4)], 3, network=network)
    with pytest.raises(ValueError, match=r"give log-probabilities, \(8, 3\)"):
        clp.step(*batch(8), spurious=spurious)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "finite-difference"}, "solver 'finite-difference' is not known: choose among"),
        ({"every": 2.5}, "every is 2.5"),
        ({"class_counts": torch.ones(2)}, r"class_counts is \(2,\), but there are 3 classes"),
        (
            {"network_optimizer": Adam(PerturbationNetwork(10, 3).parameters())},
            "network_optimizer holds no parameter of the perturbation network",
        ),
    ],
)
def test_options_that_do_not_fit_are_named_at_once(options: dict[str, Any], message: str) -> None:
    model = small_net()
    with pytest.raises(ValueError, match=message):
        CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), [batch(4)], 3, **options)


def test_a_wrapped_model_is_refused() -> None:
    model = small_net()
    with pytest.raises(ValueError, match="wrapped in DataParallel: give the model itself"):
        CausalLogitPerturbation(nn.DataParallel(model), OPTIMIZERS["sgd"](model), [batch(4)], 3)


def normalised(model: nn.Sequential) -> nn.Module:
    model[-1] = weight_norm(model[-1])
    return model


def frozen(model: nn.Sequential) -> nn.Module:
    model[-1].weight.requires_grad_(False)
    return model


@pytest.mark.parametrize("change", [normalised, frozen])
def test_a_last_layer_whose_weight_cannot_look_ahead_alone_is_refused(change: Any) -> None:
    model = change(small_net())
    clp = CausalLogitPerturbation(
        model, OPTIMIZERS["sgd"](model), [batch(4)], 3, solver="last_layer"
    )
    with pytest.raises(ValueError, match="'last_layer' needs a trainable weight"):
        clp.step(*batch(8))


def test_a_gradient_hook_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    model = small_net()
    model[-1].weight.register_hook(lambda gradient: 0.1 * gradient)
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), [batch(4)], 3)
    with caplog.at_level(logging.WARNING):
        clp.step(*batch(8))
        clp.step(*batch(8))
    assert caplog.text.count("has a gradient hook (1 parameters have)") == 1


def test_random_states_of_a_machine_with_other_devices_are_taken() -> None:
    model = small_net()
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), [batch(4)], 3)
    clp.step(*batch(8))
    state = clp.state_dict()
    state["random"] = [*state["random"], torch.zeros(16, dtype=torch.uint8)]
    clp.load_state_dict(state)
    clp.step(*batch(8))
