"""Fills by name, and what every one of them promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from causalogit.augment import (
    FILLS,
    INPAINTERS,
    RESTYLES,
    Counterfactual,
    Factual,
    Fgsm,
    Grey,
    MixedRand,
    OpenCv,
    RandomColour,
    Restyled,
    Shuffle,
    Tile,
    make_factual,
    make_fill,
)
from causalogit.augment.fills import Fill
from causalogit.augment.inpainters import Contextual, InpaintingNetwork, Settings
from causalogit.config import FillName, LookName
from tests.devices import needs_gpu

MakeBatch = Callable[..., tuple[Tensor, Tensor, Tensor]]
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
SHAPES = [(1, 1, 1, 1), (1, 3, 4, 4), (5, 1, 3, 7), (6, 3, 7, 4)]


def build(name: str, images: Tensor) -> Fill:
    weight = torch.linspace(-1, 1, 2 * images[0].numel()).reshape(2, -1)
    linear = nn.Linear(weight.shape[1], 2, bias=False).to(images)
    with torch.no_grad():
        linear.weight.copy_(weight)
    with torch.random.fork_rng():
        network = InpaintingNetwork(Settings(images.shape[1], width=2, halvings=1))
    return make_fill(name, model=nn.Sequential(nn.Flatten(), linear), inpainter=Contextual(network))


def test_the_names() -> None:
    fills = {"none", *FILLS}
    assert fills - set(INPAINTERS) == set(get_args(LookName))
    assert fills - set(RESTYLES) == set(get_args(FillName))
    with pytest.raises(ValueError, match="unknown fill 'gray'; choose one of grey, random, shuf"):
        make_fill("gray")
    with pytest.raises(ValueError, match="fgsm steps against a model"):
        make_fill("fgsm")
    with pytest.raises(ValueError, match="the fill inpainter needs one; give make_fill"):
        make_fill("inpainter")


def test_settings_reach_the_fill_they_belong_to() -> None:
    model = nn.Identity()

    def make(name: str) -> Fill:
        return make_fill(
            name, mean=(0.1, 0.2), noise=0.3, low=-1.0, high=2.0, epsilon=0.4, model=model
        )

    colour = RandomColour(0.3, -1.0, 2.0)
    assert make("random") == colour
    assert make("shuffle") == Shuffle()
    assert make("fgsm") == Fgsm(model, 0.4, -1.0, 2.0)
    grey, tile = make("grey"), make("tile")
    assert isinstance(tile, Tile)
    opencv = make("opencv")
    assert isinstance(opencv, OpenCv)
    greys = [grey, tile.fallback, opencv.fallback]
    for name, any_class in (("mixed_rand", False), ("mixed_any", True)):
        mixed = make(name)
        assert isinstance(mixed, MixedRand)
        assert isinstance(mixed.background, Tile)
        assert mixed.fallback == colour
        assert mixed.any_class == any_class
        greys.append(mixed.background.fallback)
    for found in greys:
        assert isinstance(found, Grey)
        assert found.mean == (0.1, 0.2)


@pytest.mark.parametrize("name", FILLS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("masks_are", ["random", "soft", "empty", "full", "one pixel"])
def test_every_fill_keeps_kind_and_range_and_repeats_itself(
    name: str, dtype: torch.dtype, shape: tuple[int, ...], masks_are: str, make_batch: MakeBatch
) -> None:
    images, masks, labels = make_batch(*shape, dtype=dtype)
    if masks_are != "random":
        masks = torch.full_like(masks, {"soft": 0.5, "full": 1.0}.get(masks_are, 0.0))
    if masks_are == "one pixel":
        masks[:, :, -1, 0] = 1
    originals = images.clone(), masks.clone()
    fill = build(name, images)
    world = torch.get_rng_state()
    first, second = (
        fill(images, masks, labels, torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(torch.get_rng_state(), world)
    assert torch.equal(first, second)
    assert (first.shape, first.dtype) == (images.shape, dtype)
    assert ((first >= 0) & (first <= 1)).all()
    assert torch.equal(images, originals[0])
    assert torch.equal(masks, originals[1])


RANDOM = ["random", "shuffle", "patches", "mixed_rand", "mixed_any", "recolour", "retexture"]


@pytest.mark.parametrize("name", RANDOM)
def test_random_fills_follow_the_generator_alone(name: str, make_batch: MakeBatch) -> None:
    images, masks, labels = make_batch(8, 3, 9, 9)
    generator = torch.Generator().manual_seed(3)
    fill = build(name, images)
    first, second = (fill(images, masks, labels, generator) for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_means_the_same_in_every_precision(name: str, make_batch: MakeBatch) -> None:
    images, masks, labels = make_batch(8, 3, 9, 9)
    fills = [
        build(name, images)(images.to(dtype), masks, labels, torch.Generator().manual_seed(3))
        for dtype in DTYPES
    ]
    for dtype, fill in zip(DTYPES, fills, strict=True):
        assert torch.allclose(fill.double(), fills[-1], atol=4 * torch.finfo(dtype).eps)


@needs_gpu
@pytest.mark.parametrize("name", FILLS)
def test_a_seed_means_the_same_on_every_device(
    name: str, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    batch = make_batch(8, 3, 6, 6, dtype=torch.float64)
    results = []
    for device in ("cpu", "cuda"):
        images, masks, labels = (values.to(device) for values in batch)
        fill = build(name, images)(images, masks, labels, torch.Generator().manual_seed(3))
        assert fill.device == images.device
        results.append(fill.cpu())
    rounding = {"opencv": 1e-6, "inpainter": 1e-4}.get(name, 1e-12)  # single precision
    assert torch.allclose(results[0], results[1], rtol=0, atol=rounding)


@pytest.mark.parametrize("name", FILLS)
@pytest.mark.parametrize("kind", [Counterfactual, Factual])
def test_what_is_kept_is_kept_bit_for_bit(
    name: str, kind: type[Counterfactual] | type[Factual], make_batch: MakeBatch
) -> None:
    images, masks, labels = make_batch(6, 3, 8, 5)
    images[0] = -0.0
    fill = build(name, images)
    result = kind(fill)(images, masks, labels, torch.Generator().manual_seed(3))
    kept = (masks == (0 if kind is Counterfactual else 1)).expand_as(images)
    assert torch.equal(result.view(torch.int32)[kept], images.view(torch.int32)[kept])
    expected = fill(images, masks, labels, torch.Generator().manual_seed(3))
    assert torch.equal(result[~kept], expected[~kept])


def test_another_look_takes_the_place_of_the_object_and_another_background_that_of_the_rest() -> (
    None
):
    assert make_factual("recolour") == Restyled(make_fill("recolour"))
    assert make_factual("shuffle") == Factual(Shuffle())
    for name in RESTYLES:
        assert isinstance(make_factual(name), Restyled)


@pytest.mark.parametrize("name", INPAINTERS)
def test_inpainters_make_no_new_backgrounds(name: str) -> None:
    with pytest.raises(ValueError, match=f"the fill {name} paints where the object was, and lea"):
        make_factual(name)
