"""The meta loss, and the loader that its batches come from."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from causalogit.core import CausalLogitPerturbation, MaskedTransform, MetaBatch, MetaObjective

from .nets import OPTIMIZERS, batch, small_net


def keep(images: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
    return masks * images


def remove(images: Tensor, masks: Tensor, labels: Tensor) -> Tensor:
    return (1 - masks) * images


def meta_batch(size: int = 4) -> MetaBatch:
    images, labels = batch(size, seed=7)
    return MetaBatch(images, labels, (torch.rand(size, 1, 5, 5) < 0.5).float())


@pytest.mark.parametrize("factual", [keep, None])
@pytest.mark.parametrize("counterfactual", [remove, None])
def test_the_terms_against_a_loop(
    factual: MaskedTransform | None, counterfactual: MaskedTransform | None
) -> None:
    given, objective = meta_batch(), MetaObjective(factual, counterfactual, 2.0, 3.0, 5.0)
    table = {"clean": given.images}
    if factual is not None:
        table["factual"] = given.masks * given.images
    if counterfactual is not None:
        table["counterfactual"] = (1 - given.masks) * given.images
    terms = objective.images(given)
    assert {n: t.tolist() for n, t in terms.items()} == {n: t.tolist() for n, t in table.items()}
    model = small_net().eval()
    parts = objective.losses(model, terms, given.labels)
    assert set(parts) == set(table)
    for name, weight in [("clean", 2.0), ("factual", 3.0), ("counterfactual", 5.0)]:
        if name not in table:
            continue
        total = 0.0
        for image, label in zip(table[name], given.labels, strict=True):
            p = model(image[None]).double().softmax(1)[0, label].item()
            total -= math.log(1 - p if name == "counterfactual" else p)
        assert parts[name].item() == pytest.approx(weight * total / 4, 1e-5)


def test_all_images_go_through_the_classifier_together() -> None:
    """So that batch norm sees them as one batch."""
    seen: list[int] = []

    def logits_of(images: Tensor) -> Tensor:
        seen.append(len(images))
        return images.flatten(1)[:, :3]

    objective, given = MetaObjective(keep, remove), meta_batch()
    objective.losses(logits_of, objective.images(given), given.labels)
    assert seen == [12]


@pytest.mark.parametrize(
    ("objective", "name"),
    [(MetaObjective(factual=keep), "factual"), (MetaObjective(None, remove), "counterfactual")],
)
def test_masks_that_are_missing_are_named(objective: MetaObjective, name: str) -> None:
    with pytest.raises(ValueError, match=f"the {name} term of the meta loss needs masks"):
        objective.images(MetaBatch(*batch(4)))
    model = small_net()
    clp = CausalLogitPerturbation(
        model, OPTIMIZERS["sgd"](model), [batch(4)], 3, objective=objective
    )
    with pytest.raises(ValueError, match=r"give \(images, labels, masks\)"):
        clp.step(*batch(4))


def test_half_precision_logits_are_widened() -> None:
    logits = torch.randn(4, 3).bfloat16()
    parts = MetaObjective().losses(lambda _: logits, {"clean": logits}, torch.tensor([0, 1, 2, 0]))
    assert parts["clean"].dtype == torch.float32


class _Counted:
    """A loader that tells how often it was begun."""

    def __init__(self, batches: int) -> None:
        self.batches, self.begun = batches, 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.begun += 1
        return (batch(4, seed=i) for i in range(self.batches))


def test_the_meta_loader_begins_anew_when_it_ends() -> None:
    model, loader = small_net(), _Counted(2)
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), loader, 3)
    assert loader.begun == 0
    for _ in range(5):
        clp.step(*batch(8))
    assert loader.begun == 3


def test_a_data_loader_will_do() -> None:
    model = small_net()
    loader = DataLoader(TensorDataset(*batch(6)), batch_size=4, shuffle=True)
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), loader, 3)
    images, labels = batch(8)
    torch.set_default_device(None)  # a sampler draws on the CPU
    assert all(math.isfinite(clp.step(images, labels)["loss/meta"]) for _ in range(3))


def test_an_empty_meta_loader_is_an_error() -> None:
    model = small_net()
    clp = CausalLogitPerturbation(model, OPTIMIZERS["sgd"](model), [], 3)
    with pytest.raises(ValueError, match="the meta loader gave no batch: it is empty"):
        clp.step(*batch(8))
