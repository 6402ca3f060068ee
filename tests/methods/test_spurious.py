"""The experts: what they see, what they say, and that none speaks of what it has learned."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from causalogit.config import ClpConfig, DataConfig, RunConfig
from causalogit.data import build_data
from causalogit.methods import Task
from causalogit.methods.masked import factual
from causalogit.methods.spurious import CrossFitted, background_expert, visible_expert
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

    expert = visible_expert(task, augment)
    said = expert.log_probabilities(augment(task.data.train.everything()))
    usual, unusual = agreement(task, said)
    if masks == "exact":  # nothing to be seen: the frequency of the class
        assert usual == pytest.approx(0.2, abs=0.05)
        assert unusual == pytest.approx(0.2, abs=0.05)
    else:
        assert usual > 0.75
        assert unusual < 0.12
