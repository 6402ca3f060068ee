"""The perturbation network and its output forms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalogit.core import FORMS, CausalLogitPerturbation, PerturbationNetwork, PerturbedLogits

from .nets import OPTIMIZERS, batch, small_net

B, K, C = 6, 10, 4


def spread(network: PerturbationNetwork, scale: float = 1.0) -> PerturbationNetwork:
    """With a last layer that does something."""
    nn.init.normal_(network.mlp[-1].weight, std=scale)
    nn.init.normal_(network.mlp[-1].bias, std=scale)
    return network


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    labels = torch.tensor([0, 1, 2, 3, 3, 1])
    return torch.randn(B, K), labels, torch.randn(B, C).log_softmax(1)


@pytest.mark.parametrize("form", ["vector", "target", "contrast"])
@pytest.mark.parametrize("bound", [1.0, None])
def test_delta_starts_at_zero_and_learns(form: str, bound: float | None) -> None:
    network = PerturbationNetwork(K, C, form, bound=bound)
    delta = network(*inputs())
    assert torch.equal(delta, torch.zeros(B, C))
    # from zero the last layer learns at once
    values, labels, spurious = inputs()
    (network(values, labels, spurious)[range(B), labels] * torch.randn(B)).sum().backward()
    assert network.mlp[-1].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("bound", [0.5, 5.0])
@pytest.mark.parametrize("form", ["vector", "target"])
def test_delta_is_the_bound_times_tanh(form: str, bound: float) -> None:
    network = spread(PerturbationNetwork(K, C, form, bound=bound), scale=3)
    values, labels, spurious = inputs()
    delta = network(values, labels, spurious)
    raw = network.mlp(values)
    expected = bound * raw.tanh()
    if form == "target":
        expected = F.one_hot(labels, C) * expected
    torch.testing.assert_close(delta, expected)
    assert 0.9 * bound < delta.abs().max() <= bound


def test_vector_is_free_without_a_bound() -> None:
    network = spread(PerturbationNetwork(K, C, "vector", bound=None), scale=100)
    values, labels, _ = inputs()
    assert torch.equal(network(values, labels), network.mlp(values))


@pytest.mark.parametrize("bound", [2.0, None])
def test_target_sits_on_the_label_alone(bound: float | None) -> None:
    network = spread(PerturbationNetwork(K, C, "target", bound=bound), scale=100)
    values, labels, _ = inputs()
    delta = network(values, labels)
    for i, label in enumerate(labels.tolist()):
        for c in range(C):
            assert (delta[i, c] != 0) == (c == label)
    if bound is None:
        assert delta.abs().max() > 10
    assert network.mlp[-1].out_features == 1


def test_target_does_not_know_which_class_it_is() -> None:
    network = spread(PerturbationNetwork(K, C, "target"))
    values, labels, _ = inputs()
    renamed = torch.tensor([2, 3, 1, 0])
    torch.testing.assert_close(
        network(values, renamed[labels])[:, renamed], network(values, labels)
    )


@pytest.mark.parametrize("bound", [2.0, None])
def test_contrast_is_target_less_its_mean_over_the_batch(bound: float | None) -> None:
    network = spread(PerturbationNetwork(K, C, "contrast", bound=bound))
    values, labels, _ = inputs()
    delta = network(values, labels)
    amount = network.mlp(values).squeeze(1)
    amount = amount - amount.sum() / B
    if bound is not None:
        amount = bound * amount.tanh()
    for i, label in enumerate(labels.tolist()):
        for c in range(C):
            expected = (amount[i] - amount.sum() / B).item() if c == label else 0.0
            assert delta[i, c].item() == pytest.approx(expected, abs=1e-5)
    assert torch.equal(network(values[:1], labels[:1]), torch.zeros(1, C))  # no one to differ from


def test_contrast_has_no_common_mode_to_saturate() -> None:
    network = spread(PerturbationNetwork(K, C, "contrast", bound=1.0))
    values, labels, _ = inputs()
    before = network(values, labels)
    with torch.no_grad():
        network.mlp[-1].bias.add_(50.0)
    torch.testing.assert_close(network(values, labels), before, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("bound", "start"), [(1.0, 0.9), (4.0, 1.0), (None, 1.0)])
def test_expert_scales_the_spurious_logits(bound: float | None, start: float) -> None:
    network = PerturbationNetwork(K, C, "expert", bound=bound)
    values, labels, spurious = inputs()
    torch.testing.assert_close(
        network(values, labels, spurious), start * spurious, atol=1e-4, rtol=0
    )
    spread(network, scale=0.3)
    alpha = network(values, labels, spurious) / spurious
    torch.testing.assert_close(alpha, alpha[:, :1].expand(-1, C))  # one strength a sample
    assert alpha.min() > 0
    assert alpha.max() < (torch.inf if bound is None else bound)
    assert alpha.max() - alpha.min() > 0.1


@pytest.mark.parametrize("form", ["expert", "expert_target"])
def test_expert_without_an_expert_is_an_error(form: str) -> None:
    values, labels, _ = inputs()
    with pytest.raises(ValueError, match="need what a spurious expert says: give its log-prob"):
        PerturbationNetwork(K, C, form)(values, labels)


def test_expert_target_adds_at_the_label_to_what_the_expert_says() -> None:
    network = PerturbationNetwork(K, C, "expert_target", bound=5.0)
    values, labels, spurious = inputs()
    torch.testing.assert_close(network(values, labels, spurious), 0.9 * spurious)  # at the start
    spread(network, scale=0.3)
    delta = network(values, labels, spurious)
    alpha, added = torch.zeros(B, 1), torch.zeros(B)
    for i, label in enumerate(labels.tolist()):
        other = (label + 1) % C
        alpha[i] = delta[i, other] / spurious[i, other]
        added[i] = delta[i, label] - alpha[i] * spurious[i, label]
    expected = alpha * spurious + torch.nn.functional.one_hot(labels, C) * added[:, None]
    torch.testing.assert_close(delta, expected, atol=1e-4, rtol=1e-4)
    assert ((alpha > 0) & (alpha < 1)).all()
    assert (added.abs() < 5).all()
    assert added.std() > 0.1


@pytest.mark.parametrize(("depth", "linear"), [(1, [(K, C)]), (2, [(K, 7), (7, C)])])
def test_depth_counts_linear_layers_of_width_hidden(
    depth: int, linear: list[tuple[int, int]]
) -> None:
    network = PerturbationNetwork(K, C, hidden=7, depth=depth)
    layers = [m for m in network.mlp if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in layers] == linear
    assert len(network.mlp) == 2 * depth - 1


def test_the_paper_s_network_is_the_default() -> None:
    network = PerturbationNetwork(K, C)
    assert [type(m) for m in network.mlp] == [nn.Linear, nn.ReLU, nn.Linear]
    assert network.mlp[0].out_features == 100


@pytest.mark.parametrize(
    ("name", "kind"),
    [("relu", nn.ReLU), ("gelu", nn.GELU), ("tanh", nn.Tanh), ("silu", nn.SiLU)],
)
def test_activation_by_name(name: str, kind: type[nn.Module]) -> None:
    network = PerturbationNetwork(K, C, depth=3, activation=name)
    assert [type(m) for m in network.mlp[1::2]] == [kind, kind]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"form": "matrix"},
            r"output form 'matrix' is not known: choose among \['contrast', 'expert'",
        ),
        ({"activation": "step"}, r"activation 'step' is not known: choose among \['gelu'"),
        ({"depth": 0}, r"depth \(0\)"),
        ({"hidden": 0}, r"hidden \(0\)"),
        ({"bound": 0.0}, r"bound \(0.0\)"),
        ({"bound": -1.0}, r"bound \(-1.0\)"),
        ({"bound": float("nan")}, r"bound \(nan\)"),
    ],
)
def test_settings_without_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PerturbationNetwork(K, C, **options)


def test_inputs_are_normalised_over_the_batch() -> None:
    network = PerturbationNetwork(K, C)
    values = 5 + 3 * torch.randn(B, K)
    normal = network.normalised(values)
    expected = (values - values.mean(0)) / (values.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(normal, expected)
    torch.testing.assert_close(network.normalise.running_mean, 0.1 * values.mean(0))


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_of_one_uses_the_running_statistics_and_leaves_them(training: bool) -> None:
    network = PerturbationNetwork(K, C)
    network.normalised(5 + 3 * torch.randn(B, K))
    network.train(training)
    mean, variance = network.normalise.running_mean.clone(), network.normalise.running_var.clone()
    one = torch.randn(1, K)
    torch.testing.assert_close(network.normalised(one), (one - mean) / (variance + 1e-5).sqrt())
    assert torch.equal(network.normalise.running_mean, mean)
    assert torch.equal(network.normalise.running_var, variance)


def test_an_input_that_is_the_same_for_all_samples_is_zero() -> None:
    """The class proportion of a balanced set, for one."""
    normal = PerturbationNetwork(1, C).normalised(torch.full((B, 1), 7.0))
    assert normal.abs().max() < 1e-3


class _Centred:
    """C outputs that sum to zero: nothing is wasted on a shift that softmax ignores."""

    needs_expert = False
    loss = PerturbedLogits()

    def __init__(self, num_classes: int, bound: float | None) -> None:
        pass

    def width(self, num_classes: int) -> int:
        return num_classes

    def __call__(self, raw: Tensor, labels: Tensor, spurious: Tensor | None) -> Tensor:
        return raw - raw.mean(1, keepdim=True)


@pytest.fixture
def centred() -> Iterator[str]:
    FORMS["centred"] = _Centred
    yield "centred"
    del FORMS["centred"]


def test_a_new_form_is_one_small_class(centred: str) -> None:
    model = small_net()
    network = spread(PerturbationNetwork(K, 3, centred))
    clp = CausalLogitPerturbation(
        model, OPTIMIZERS["nesterov"](model), [batch(4)], 3, network=network
    )
    before = [p.clone() for p in network.parameters()]
    metrics = clp.step(*batch(8))
    assert metrics["delta/label"] != 0
    assert any(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    torch.testing.assert_close(
        clp.perturbation(*batch(8))[1].sum(1), torch.zeros(8), atol=1e-5, rtol=0
    )


def test_a_weight_is_a_sigmoid_and_starts_alike_for_all() -> None:
    network = PerturbationNetwork(K, C, "weight", bound=None)
    values, labels, _ = inputs()
    assert torch.equal(network(values, labels), torch.full((B,), 0.5))
    spread(network)
    expected = 1 / (1 + (-network.mlp(values)[:, 0]).exp())
    torch.testing.assert_close(network(values, labels), expected)
    assert expected.max() - expected.min() > 0.05


@pytest.mark.parametrize("training", [True, False])
def test_inputs_stay_as_they_are_without_normalisation(training: bool) -> None:
    network = PerturbationNetwork(K, C, normalise=False).train(training)
    values = 5 + 3 * torch.randn(B, K)
    assert torch.equal(network.normalised(values), values)
    assert torch.equal(network.normalised(values[:1]), values[:1])
    assert not list(network.buffers())
