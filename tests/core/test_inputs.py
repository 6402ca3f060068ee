"""What a step is given is checked, and what does not fit is named."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from causalogit.core import CausalLogitPerturbation

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
