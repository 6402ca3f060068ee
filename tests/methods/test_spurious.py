"""The experts: what they see, what they say, and that none speaks of what it has learned."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from causalogit.config import ClpConfig, DataConfig, NetworkConfig, RunConfig
from causalogit.data import build_data
from causalogit.methods import Task, build_method
from causalogit.methods.masked import factual
from causalogit.methods.spurious import (
    CrossFitted,
    Information,
    VisibleExpert,
    background_expert,
    spurious_expert,
)
from causalogit.models import build_model
from causalogit.train.optimizer import build_optimizer


@pytest.fixture
def task_with():
    def build(masks="exact", share=1.0, **clp):
        data_config = DataConfig(masks=masks, masked_share=share, validation_size=50, test_size=50)
        config = RunConfig(data=data_config, clp=ClpConfig(**clp))
        data = build_data(config.data, 0)
        model = build_model("lenet", 5, 3, 0)
        optimizer = build_optimizer(model, config.optimizer)
        generator = torch.Generator().manual_seed(0)
        return Task(config, data, model, optimizer, generator, torch.device("cpu"))

    return build


def few(task, size):
    return replace(task, data=replace(task.data, train=task.data.train.take(torch.arange(size))))


def test_no_network_speaks_of_an_image_that_it_has_learned(task_with):
    task = few(task_with(expert_epochs=1), 200)
    everything = task.data.train.everything()
    said = []
    for change in (0, 1):
        expert = CrossFitted(task, lambda batch: batch.images)
        first = expert.half == 0
        # other labels on one half: the network that learned them speaks of the other half alone
        wrong = torch.where(first, (task.data.train.labels + change) % 5, task.data.train.labels)
        expert.fit(lambda batch, labels=wrong: labels[batch.indices])
        said.append(expert.log_probabilities(everything))
    assert torch.equal(said[0][first], said[1][first])
    assert not torch.equal(said[0][~first], said[1][~first])
    assert 0 < first.sum() < 200
    torch.testing.assert_close(said[0].exp().sum(1), torch.ones(200))


@pytest.mark.parametrize("name", ["background", "visible"])
def test_an_expert_learns_once_and_not_where_it_has_been_told(task_with, name, monkeypatch):
    task = few(task_with(expert_epochs=1), 60)
    learned, fit = [], CrossFitted.fit

    def counted(*given, **options):
        learned.append(given)
        fit(*given, **options)

    monkeypatch.setattr(CrossFitted, "fit", counted)
    first = spurious_expert(name, task, lambda batch: batch)
    assert not learned  # a run that goes on has no use for it
    batch = task.data.train.everything()
    said = first.log_probabilities(batch)
    count = len(learned)
    assert count == (1 if name == "background" else 2)
    assert torch.equal(first.log_probabilities(batch), said)
    second = spurious_expert(name, task, lambda batch: batch)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.log_probabilities(batch), said)
    assert len(learned) == count


def test_an_expert_is_saved_as_it_has_learned(task_with):
    task = few(task_with(expert_epochs=1), 60)
    saved = background_expert(task).state_dict()
    asked = background_expert(task)
    asked.log_probabilities(task.data.train.everything())
    for number, weights in asked.state_dict().items():
        assert all(torch.equal(saved[number][name], value) for name, value in weights.items())


def test_an_expert_learns_in_full_precision_and_where_no_gradient_is_wanted(task_with):
    task = few(task_with(expert_epochs=1), 60)
    batch = task.data.train.everything()
    said = background_expert(task).log_probabilities(batch)
    inside = background_expert(task)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        inside.log_probabilities(batch)
    torch.testing.assert_close(inside.log_probabilities(batch), said)


def test_weights_say_how_often_an_image_is_learned(task_with):
    task = few(task_with(expert_epochs=4, expert_learning_rate=1e-2), 100)
    red = task.data.train.labels == 0
    expert = CrossFitted(task, lambda batch: batch.images)
    expert.fit(lambda batch: batch.labels, red.float())
    said = expert.log_probabilities(task.data.train.everything()).exp()
    assert said[:, 0].min() > 0.9


def agreement(task, said):
    """Mean probability of the label, where the colour agrees with it and where it does not."""
    train = task.data.train
    own = said.exp().gather(1, train.labels[:, None]).squeeze(1)
    agrees = train.groups % 5 == train.labels
    return own[agrees].mean().item(), own[~agrees].mean().item()


def test_the_background_is_read_without_the_object(task_with):
    task = task_with()
    said = background_expert(task).log_probabilities(task.data.train.everything())
    usual, unusual = agreement(task, said)
    assert usual > 0.85
    assert unusual < 0.08


@pytest.mark.parametrize("masks", ["exact", "box"])
def test_what_a_new_background_covers_is_not_counted(task_with, masks):
    task = task_with(masks, expert_epochs=8)
    replaced = factual(task, "random")

    def augment(batch):
        return batch._replace(images=replaced(batch.images, batch.masks, batch.labels))

    expert = VisibleExpert(task, augment)
    expert.learn()
    said = expert.log_probabilities(augment(task.data.train.everything()))
    usual, unusual = agreement(task, said)
    if masks == "exact":  # nothing to be seen: the frequency of the class
        assert usual == pytest.approx(0.2, abs=0.05)
        assert unusual == pytest.approx(0.2, abs=0.05)
    else:
        assert usual > 0.75
        assert unusual < 0.12


def test_information_is_what_somebody_adds_to_the_frequencies():
    labels = torch.tensor([0, 0, 0, 1])
    frequencies = torch.tensor([0.75, 0.25]).log()
    right = torch.tensor([[0.9, 0.1]] * 3 + [[0.1, 0.9]]).log()
    plain = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    wrong = -math.log(0.1)
    known = Information(frequencies)
    assert known.after(F.nll_loss(right, labels), labels) == pytest.approx(
        1 + math.log(0.9) / plain
    )
    assert Information(frequencies).after(plain, labels) == pytest.approx(0, abs=1e-6)
    assert Information(frequencies).after(wrong, labels) == 0.0  # worse than nothing
    # labels of which a share is drawn anew leave the best of experts with a loss
    rest = -(0.95 * math.log(0.95) + 0.05 * math.log(0.05))
    assert Information(frequencies, noise=0.1).after(-math.log(0.8), labels) == pytest.approx(
        1 - (-math.log(0.8) - rest) / (plain - rest)
    )
    assert Information(frequencies, noise=0.1).after(-math.log(0.9), labels) == 1.0
    before = known.after(-math.log(0.9), labels)
    assert 0.9 * before < known.after(plain, labels) < before


@pytest.mark.parametrize(("masks", "least", "most"), [("exact", 0.0, 0.1), ("box", 0.3, 1.0)])
def test_clp_learns_from_the_meta_loss_as_far_as_the_expert_knows(task_with, masks, least, most):
    task = clp_factual(task_with(masks, expert_epochs=8, meta_until=0.0))
    method = build_method(task)
    batch = task.data.train.batch(torch.arange(500) * 7 % len(task.data.train))
    for _ in range(3):
        method.step(batch)
    assert least <= method.clp.meta_weight <= most
    assert method.refit_share() == max(0.25, method.clp.meta_weight)
    again = build_method(task)
    again.load_state_dict(method.state_dict())
    torch.testing.assert_close(again.known.means, method.known.means)
    torch.testing.assert_close(again.learned.means, method.learned.means)


@pytest.mark.parametrize(("until", "weights"), [(0.0, (0.2, 0.2, 0.2)), (0.4, (1.0, 0.75, 0.2))])
def test_a_classifier_at_chance_has_all_of_the_meta_loss(task_with, monkeypatch, until, weights):
    method = build_method(clp_factual(task_with(meta_until=until)))
    batch = method.task.data.train.batch(torch.arange(50) * 7)  # of five classes, ten each
    said = torch.full((50, 5), math.log(5) * 0.8 * -1)  # a fifth of the information
    monkeypatch.setattr(method.expert, "log_probabilities", lambda batch: said)
    loss = {"loss/classifier": math.log(5)}
    monkeypatch.setattr(method.clp, "step", lambda *images, spurious: dict(loss))
    for share, weight in zip((1.0, 0.9, 0.5), weights, strict=True):
        loss["loss/classifier"] = share * math.log(5)
        for _ in range(500):
            metrics = method.step(batch)
        assert metrics["classifier/information"] == pytest.approx(1 - share, abs=0.02)
        assert method.clp.meta_weight == pytest.approx(weight, abs=0.05)
    learned = metrics["classifier/information"]
    loss.pop("loss/classifier")  # a step that the guard leaves out
    assert "classifier/information" not in method.step(batch)
    assert method.learned.share == learned


def test_patience_waits_until_the_classifier_is_seen_to_be_at_chance(task_with, monkeypatch):
    method = build_method(clp_factual(task_with(meta_until=0.4, meta_patience=True)))
    batch = method.task.data.train.batch(torch.arange(50) * 7)  # of five classes, ten each
    said = torch.full((50, 5), -math.log(5))  # nothing
    monkeypatch.setattr(method.expert, "log_probabilities", lambda batch: said)
    loss = {"loss/classifier": math.log(5)}
    monkeypatch.setattr(method.clp, "step", lambda *images, spurious: dict(loss))
    weights = []
    for _ in range(200):
        method.step(batch)
        weights.append(method.clp.meta_weight)
    wanted = 1 - 0.98 ** torch.arange(200)
    torch.testing.assert_close(torch.tensor(weights), wanted, atol=1e-4, rtol=0)
    again = build_method(method.task)
    again.load_state_dict(method.state_dict())
    assert again.learned.share == method.learned.share


@pytest.mark.parametrize("share", [0.0, 0.001])
def test_an_expert_of_objects_that_nobody_knows_says_the_frequencies(task_with, share):
    task = task_with(share=share, expert_epochs=1)
    said = VisibleExpert(task, lambda batch: batch).log_probabilities(
        task.data.train.batch(torch.arange(100) * 35)
    )
    torch.testing.assert_close(said.exp(), torch.full((100, 5), 0.2), atol=0.1, rtol=0)


def test_what_is_not_finite_is_no_information(task_with):
    known = Information(torch.full((2,), 0.5).log())
    labels = torch.tensor([0, 1])
    before = known.after(0.4, labels)
    assert known.after(math.nan, labels) == before > 0


def clp_factual(task):
    return replace(task, config=replace(task.config, method="clp_factual"))


@pytest.mark.parametrize(("rate", "learns"), [(0.0, False), (None, True), (1e-3, True)])
def test_an_expert_whose_network_has_no_rate_counts_by_the_same_strength(
    task_with, rate, learns, monkeypatch
):
    task = task_with(network=NetworkConfig("expert", 1.0, rate))
    method = build_method(clp_factual(task))
    batch = task.data.train.batch(torch.arange(100) * 35)
    said = (torch.eye(5)[batch.labels] * 0.6 + 0.08).log()
    monkeypatch.setattr(method.expert, "log_probabilities", lambda batch: said)
    strengths, metrics = [], {}
    for _ in range(3):
        metrics = method.step(batch)
        strengths.append(metrics["delta/alpha"])
    assert ("hypergradient/norm" in metrics) == learns
    assert metrics["loss/meta"] > 0  # which the classifier learns from in both
    assert (strengths == pytest.approx([0.9] * 3)) == (not learns)
