"""Extreme logits, half precision, absent classes, single samples, odd masks: finite, or skipped."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD

from causalogit.core import (
    CHARACTERISTICS,
    CausalLogitPerturbation,
    CharacteristicTable,
    ClassStatistics,
    PerturbedLogits,
    TrainingLoss,
    WeightedSamples,
)

from .nets import batch, draws, small_net

HALVES = [torch.float16, torch.bfloat16]
EXTREMES = st.sampled_from([1e30, -1e30, 6e4, -6e4, 1.0, -1.0, 0.0, -0.0, 1e-30])


def extreme_logits(draw: st.DataObject, dtype: torch.dtype, size: int, classes: int) -> Tensor:
    """A few values of a row are drawn, the others are Gaussian; as far as the type reaches."""
    values = torch.randn(size, classes, generator=draws(0))
    for row in range(size):
        for column in range(min(classes, 3)):
            values[row, column] = draw.draw(EXTREMES)
    largest = torch.finfo(dtype).max
    return values.clamp(-largest, largest).to(dtype)


@given(
    draw=st.data(),
    dtype=st.sampled_from([*HALVES, torch.float32]),
    size=st.sampled_from([1, 2, 5]),
    classes=st.sampled_from([2, 3, 1000]),
    spread=st.booleans(),
)
@settings(max_examples=60)
def test_characteristics_are_finite_and_of_single_precision_at_least(
    draw: st.DataObject, dtype: torch.dtype, size: int, classes: int, spread: bool
) -> None:
    logits = extreme_logits(draw, dtype, size, classes)
    # where they are not spread, all other classes are absent
    labels = torch.arange(size) % classes if spread else torch.full((size,), classes - 1)
    generator = draws(1)
    others = [
        torch.randn(*shape, generator=generator).to(dtype)
        for shape in ((size, 4), (classes, 4), (size, classes))
    ]
    table, single = (
        CharacteristicTable(tuple(CHARACTERISTICS), ClassStatistics(classes)) for _ in range(2)
    )
    features, weights, spurious = others
    replaced = spurious.log_softmax(1)
    values = table(logits, features, weights, labels, spurious, replaced)
    assert values.dtype == torch.float32
    assert values.isfinite().all()
    precise = [tensor.float() for tensor in (logits, features, weights)]
    in_single = single(*precise, labels, spurious.float(), replaced.float())
    assert torch.equal(values, in_single)
    table.statistics.end_epoch()
    assert all(buffer.isfinite().all() for buffer in table.statistics.buffers())
    assert table(logits, features, weights, labels, spurious, replaced).isfinite().all()


@pytest.mark.parametrize("loss", [PerturbedLogits(), WeightedSamples()], ids=lambda loss: loss.name)
@pytest.mark.parametrize("dtype", HALVES)
def test_a_loss_of_half_precision_logits_is_that_of_the_same_numbers(
    loss: TrainingLoss, dtype: torch.dtype
) -> None:
    logits = torch.tensor([[6e4, -6e4, 1.0], [0.1, 2.3, -0.7]]).to(dtype)
    output = torch.zeros(2, 3) if loss.name == "delta" else torch.tensor([0.3, 0.9])
    labels = torch.tensor([1, 2])
    found = loss(logits, output, labels)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(loss(logits.double(), output, labels).item(), rel=1e-6)


def perturbation_of(dtype: torch.dtype, masked: bool = False) -> CausalLogitPerturbation:
    model = small_net(dropout=0.0).to(dtype)
    images, labels = batch(4)
    return CausalLogitPerturbation(
        model,
        SGD(model.parameters(), lr=0.01),
        [(images.to(dtype), labels)],
        3,
        saliency_weight=1.0 if masked else 0.0,
    )


def is_finite(clp: CausalLogitPerturbation) -> bool:
    tensors = [
        *clp.network.state_dict().values(),
        *clp.classifier.model.state_dict().values(),
        *clp.statistics.state_dict().values(),
        *clp.perturbation(batch(2)[0].to(clp.classifier.head.weight), batch(2)[1]),
    ]
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


@pytest.mark.parametrize(
    ("dtype", "size"), [(torch.float16, 6e4), (torch.bfloat16, 1e30), (torch.float32, 1e30)]
)
@pytest.mark.parametrize("count", [1, 8])
def test_extreme_logits_leave_everything_finite(
    dtype: torch.dtype, size: float, count: int
) -> None:
    """Also the running statistics of the network's inputs, which would never come down again."""
    clp = perturbation_of(dtype)
    images, labels = batch(count)
    head = clp.classifier.head
    assert head.bias is not None
    with torch.no_grad():
        head.bias.copy_(torch.tensor([size, -size, 0.0]))
    expected = F.cross_entropy(clp.classifier.model(images.to(dtype)).double(), labels).item()
    metrics = clp.step(images.to(dtype), labels)
    assert metrics["skipped"] == 0
    assert metrics["loss/classifier"] == pytest.approx(expected, rel=1e-2)
    assert all(math.isfinite(value) for value in metrics.values())
    assert is_finite(clp)


@given(
    value=st.sampled_from([math.nan, math.inf, -math.inf]),
    place=st.tuples(*[st.integers(0, most - 1) for most in (2, 5, 5)]),
    count=st.sampled_from([1, 3]),
)
@settings(max_examples=15)
def test_one_bad_pixel_is_enough_to_leave_the_step_out(
    value: float, place: tuple[int, int, int], count: int
) -> None:
    clp = perturbation_of(torch.float32)
    images, labels = batch(count)
    images[(count - 1, *place)] = value
    before = {name: tensor.clone() for name, tensor in clp.classifier.model.state_dict().items()}
    assert clp.step(images, labels) == {"skipped": 1.0}
    assert clp.guard.skipped == {"images": 1}
    after = clp.classifier.model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert is_finite(clp)


@given(
    masks=st.sampled_from(["zero", "one", "soft", "one pixel"]),
    count=st.sampled_from([1, 4]),
    seed=st.integers(0, 99),
)
@settings(max_examples=16)
def test_masks_of_every_kind_leave_everything_finite(masks: str, count: int, seed: int) -> None:
    clp = perturbation_of(torch.float32, masked=True)
    images, labels = batch(count, seed=seed)
    given_ = torch.full((count, 1, 5, 5), {"one": 1.0}.get(masks, 0.0))
    if masks == "soft":
        given_ = torch.rand(given_.shape, generator=draws(seed))
    elif masks == "one pixel":
        given_[:, :, seed % 5, seed // 20] = 1
    metrics = clp.step(images, labels, given_)
    assert all(math.isfinite(value) for value in metrics.values())
    assert is_finite(clp)


@pytest.mark.parametrize(
    "shape", [(3, 1, 5, 4), (3, 1, 1, 1), (2, 1, 5, 5), (3, 2, 5, 5), (3, 5, 5)]
)
def test_masks_of_other_sizes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"give float masks \(B, 1, H, W\) in \[0, 1\]"):
        perturbation_of(torch.float32, masked=True).step(*batch(3), torch.zeros(shape))
