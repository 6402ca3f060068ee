"""The ten characteristics against slow loops, and the class statistics across epochs."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from causalogit.core import (
    CAUSAL,
    CHARACTERISTICS,
    GROUPS,
    THE_TEN,
    CausalLogitPerturbation,
    CharacteristicTable,
    ClassStatistics,
    PerturbationNetwork,
    Snapshot,
    characteristic,
)

from .nets import OPTIMIZERS, batch, small_net

Row = list[float]


def slow(
    logits: Row,
    features: Row,
    weights: list[Row],
    label: int,
    pi: Row,
    losses: Row,
    margins: Row,
    spurious: Row,
    replaced: Row,
) -> dict[str, float]:
    """All characteristics of one sample, the ten by the definitions of the paper."""
    top = max(logits)
    shares = [math.exp(u - top) for u in logits]
    p = [s / sum(shares) for s in shares]
    loss = -math.log(p[label])
    margin = p[label] - max(p[c] for c in range(len(p)) if c != label)
    dot = sum(h * w for h, w in zip(features, weights[label], strict=True))
    norm = math.sqrt(sum(w * w for w in weights[label]))
    return {
        "loss": loss,
        "margin": margin,
        "gradient_norm": math.sqrt(sum((p[c] - (c == label)) ** 2 for c in range(len(p)))),
        "cosine": dot / norm / math.sqrt(sum(h * h for h in features)),
        "entropy": -sum(q * math.log(q) for q in p),
        "class_proportion": pi[label],
        "class_loss": losses[label],
        "weight_norm": norm,
        "relative_loss": loss - losses[label],
        "relative_margin": margin - margins[label],
        "confidence": max(p),
        "feature_norm": math.sqrt(sum(h * h for h in features)),
        "spurious_loss": -spurious[label],
        "spurious_gap": -loss - spurious[label],
        "background_shift": sum(abs(q - math.exp(r)) for q, r in zip(p, replaced, strict=True)) / 2,
    }


@pytest.mark.parametrize("num_classes", [2, 5, 1000])
@pytest.mark.parametrize("size", [1, 6])
def test_each_characteristic_against_a_loop(num_classes: int, size: int) -> None:
    batch_ = Snapshot(
        logits=3 * torch.randn(size, num_classes, dtype=torch.float64),
        features=torch.randn(size, 4, dtype=torch.float64),
        weights=torch.randn(num_classes, 4, dtype=torch.float64),
        labels=torch.randint(num_classes, (size,)),
        class_proportion=torch.rand(num_classes, dtype=torch.float64),
        class_loss=torch.rand(num_classes, dtype=torch.float64),
        class_margin=torch.randn(num_classes, dtype=torch.float64),
        spurious=torch.randn(size, num_classes, dtype=torch.float64).log_softmax(1),
        replaced=torch.randn(size, num_classes, dtype=torch.float64).log_softmax(1),
    )
    assert batch_.spurious is not None
    assert batch_.replaced is not None
    assert len(THE_TEN) == 10
    for i in range(size):
        expected = slow(
            batch_.logits[i].tolist(),
            batch_.features[i].tolist(),
            batch_.weights.tolist(),
            int(batch_.labels[i]),
            batch_.class_proportion.tolist(),
            batch_.class_loss.tolist(),
            batch_.class_margin.tolist(),
            batch_.spurious[i].tolist(),
            batch_.replaced[i].tolist(),
        )
        for name, function in CHARACTERISTICS.items():
            assert function(batch_)[i].item() == pytest.approx(expected[name], 1e-9)


def table(
    num_classes: int = 3, counts: Tensor | None = None, names: tuple[str, ...] = THE_TEN
) -> CharacteristicTable:
    return CharacteristicTable(names, ClassStatistics(num_classes, counts))


@pytest.mark.parametrize("num_classes", [2, 3, 1000])
@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_are_finite_whatever_the_logits(
    num_classes: int, size: int, scale: float, dtype: torch.dtype
) -> None:
    logits = scale * torch.randn(size, num_classes).sign()
    values = table(num_classes, names=tuple(CHARACTERISTICS))(
        logits.to(dtype),
        scale * torch.randn(size, 4).to(dtype),
        scale * torch.randn(num_classes, 4).to(dtype),
        torch.randint(num_classes, (size,)),
        scale * torch.randn(size, num_classes).to(dtype),
        (scale * torch.randn(size, num_classes)).log_softmax(1).to(dtype),
    )
    assert values.shape == (size, len(CHARACTERISTICS))
    assert values.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert values.isfinite().all()


def test_a_probability_of_exactly_zero_has_no_entropy() -> None:
    logits = torch.tensor([[0.0, -torch.inf, 0.0]])
    values = table(names=("entropy",))(
        logits, torch.ones(1, 2), torch.ones(3, 2), torch.tensor([0])
    )
    assert values.item() == pytest.approx(math.log(2))


def test_characteristics_are_detached_from_the_classifier() -> None:
    model = small_net()
    images, labels = batch(4)
    features = model[:-1](images)
    values = table()(model[-1](features), features, model[-1].weight, labels)
    assert not values.requires_grad


def test_columns_are_in_the_order_of_the_names() -> None:
    arguments = (
        torch.randn(4, 3),
        torch.randn(4, 2),
        torch.randn(3, 2),
        torch.tensor([0, 1, 2, 2]),
    )
    everything = table()(*arguments)
    for names in [("margin", "loss"), GROUPS["class"], THE_TEN[::-1]]:
        columns = [THE_TEN.index(n) for n in names]
        assert torch.equal(table(names=names)(*arguments), everything[:, columns])


@pytest.mark.parametrize("name", CAUSAL)
def test_the_causal_ones_ask_for_what_is_spurious(name: str) -> None:
    with pytest.raises(ValueError, match="give its log-probabilities to every step, as spurious="):
        table(names=(name,))(
            torch.ones(1, 3), torch.ones(1, 2), torch.ones(3, 2), torch.tensor([0])
        )


def test_the_background_shift_asks_for_the_other_background() -> None:
    with pytest.raises(ValueError, match="to every step, as replaced="):
        table(names=("background_shift",))(
            torch.ones(1, 3), torch.ones(1, 2), torch.ones(3, 2), torch.tensor([0])
        )


def test_the_groups_are_the_ten() -> None:
    assert sorted(n for group in GROUPS.values() for n in group) == sorted(THE_TEN)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("loss", "losss"), r"\['losss'\] not known; choose among \['loss', 'margin'"),
        (("loss", "margin", "loss"), "give each once"),
        ((), "at least one"),
    ],
)
def test_names_that_make_no_table_are_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table(names=names)


@pytest.fixture
def range_of_logits() -> Iterator[str]:
    @characteristic("logit_range")
    def logit_range(batch: Snapshot) -> Tensor:
        """From the smallest logit to the largest."""
        return batch.logits.amax(1) - batch.logits.amin(1)

    yield "logit_range"
    del CHARACTERISTICS["logit_range"]


def test_a_characteristic_of_ones_own_takes_five_lines(range_of_logits: str) -> None:
    model = small_net()
    clp = CausalLogitPerturbation(
        model, OPTIMIZERS["sgd"](model), [batch(3)], 3, characteristics=("loss", range_of_logits)
    )
    images, labels = batch(8)
    clp.step(images, labels)
    values, _ = clp.perturbation(images, labels)
    logits = model.eval()(images)
    torch.testing.assert_close(values[:, 1], logits.amax(1) - logits.amin(1))


def test_no_name_is_given_twice(range_of_logits: str) -> None:
    for name in (range_of_logits, "loss"):
        with pytest.raises(ValueError, match=f"'{name}' exists already"):
            characteristic(name)(lambda batch: batch.loss)


EPOCHS = [
    [([0, 0, 1], [1.0, 3.0, 5.0], [0.1, 0.3, 0.5]), ([1, 0], [7.0, 8.0], [-0.5, 0.2])],
    [([1, 2], [0.5, 0.25], [0.9, 0.8])],  # class 0 is absent
    [([0], [2.0], [0.0])],
]


def feed(statistics: ClassStatistics, rows: tuple[list[int], Row, Row]) -> None:
    labels, losses, margins = rows
    statistics.update(torch.tensor(labels), torch.tensor(losses), torch.tensor(margins))


def mean_of(rows: list[tuple[list[int], Row, Row]], label: int, what: int) -> float:
    values = [row[what][i] for row in rows for i, y in enumerate(row[0]) if y == label]
    return sum(values) / len(values)


def test_in_the_first_epoch_the_means_are_those_seen_so_far() -> None:
    statistics = ClassStatistics(3)
    for seen, rows in enumerate(EPOCHS[0], start=1):
        feed(statistics, rows)
        for label in (0, 1):
            for what in (1, 2):
                expected = mean_of(EPOCHS[0][:seen], label, what)
                assert statistics.mean[what - 1, label].item() == pytest.approx(expected)
        assert statistics.mean[:, 2].tolist() == [0, 0]


def test_later_the_means_are_those_of_the_epoch_before() -> None:
    statistics = ClassStatistics(3)
    expected: dict[tuple[int, int], float] = {(0, 2): 0.0, (1, 2): 0.0}
    for number, epoch in enumerate(EPOCHS):
        for rows in epoch:
            feed(statistics, rows)
            if number:
                for (row, label), value in expected.items():
                    assert statistics.mean[row, label].item() == pytest.approx(value)
        statistics.end_epoch()
        for label in {y for rows in epoch for y in rows[0]}:  # an absent class keeps its mean
            for row in (0, 1):
                expected[row, label] = mean_of(epoch, label, row + 1)
    for (row, label), value in expected.items():
        assert statistics.mean[row, label].item() == pytest.approx(value)


def test_proportions_are_given_or_counted_from_all_that_was_seen() -> None:
    given = ClassStatistics(3, torch.tensor([6, 3, 1]))
    counted = ClassStatistics(3)
    assert counted.proportion.tolist() == pytest.approx([1 / 3] * 3)
    for epoch in EPOCHS:
        for rows in epoch:
            feed(given, rows)
            feed(counted, rows)
        given.end_epoch()
        counted.end_epoch()
    assert given.proportion.tolist() == pytest.approx([0.6, 0.3, 0.1])
    assert counted.proportion.tolist() == pytest.approx([4 / 8, 3 / 8, 1 / 8])


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_statistics_go_on_where_a_checkpoint_stopped(stop: int) -> None:
    batches = [rows for epoch in EPOCHS for rows in (*epoch, None)]

    def play(statistics: ClassStatistics, part: list[tuple[list[int], Row, Row] | None]) -> None:
        for rows in part:
            statistics.end_epoch() if rows is None else feed(statistics, rows)

    whole, first, second = (ClassStatistics(3) for _ in range(3))
    play(whole, batches)
    play(first, batches[:stop])
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    play(second, batches[stop:])
    torch.testing.assert_close(second.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_the_table_takes_the_batch_in_unless_told_not_to() -> None:
    look: Callable[..., Tensor] = table(names=("loss", "class_loss", "relative_loss"))
    arguments = (
        torch.randn(4, 3),
        torch.randn(4, 2),
        torch.randn(3, 2),
        torch.tensor([0, 1, 1, 1]),
    )
    assert torch.equal(look(*arguments, update=False)[:, 1], torch.zeros(4))
    losses, means, relative = look(*arguments).T
    # in the first epoch the batch itself is part of its classes' means
    torch.testing.assert_close(means[1:], losses[1:].mean().expand(3))
    torch.testing.assert_close(relative, losses - means)
    assert torch.equal(look(*arguments, update=False)[:, 1], means)


def test_the_network_of_a_run_gets_as_many_inputs_as_there_are_names() -> None:
    model = small_net()
    clp = CausalLogitPerturbation(
        model, OPTIMIZERS["sgd"](model), [batch(3)], 3, characteristics=GROUPS["sample"]
    )
    assert isinstance(clp.network, PerturbationNetwork)
    values, delta = clp.perturbation(*batch(4))
    assert (values.shape, delta.shape) == ((4, 5), (4, 3))
