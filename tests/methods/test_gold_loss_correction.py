"""Gold loss correction against its definition, and on labels that are wrong as it supposes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional as F

from causalogit.config import OptimizerConfig
from causalogit.data import InMemory
from causalogit.methods import build_method
from causalogit.methods.gold_loss_correction import corrected_losses, written_labels
from tests.methods.conftest import first_network_by_hand, train_on

SIZES = (120, 120, 120, 120, 120)


def test_loss_against_the_definition():
    torch.manual_seed(0)
    logits, labels = torch.randn(7, 4), torch.arange(7) % 4
    written = torch.rand(4, 4).softmax(1)
    expected = torch.stack(
        [-(logits[i].softmax(0) * written[:, labels[i]]).sum().log() for i in range(len(labels))]
    )
    assert torch.allclose(corrected_losses(logits, labels, written), expected)
    plain = F.cross_entropy(logits, labels, reduction="none")
    assert torch.allclose(corrected_losses(logits, labels, torch.eye(4)), plain)


def test_matrix_against_a_loop(make_task):
    task = train_on(make_task(method="gold_loss_correction"), SIZES)
    train, meta = task.data.train, task.data.meta
    network = first_network_by_hand(train, [0.01, 0.005])  # half a cosine
    written = written_labels(task)
    for label in range(5):
        own = meta.take((meta.labels == label).nonzero().squeeze(1)).everything()
        expected = network(own.images).softmax(1).mean(0)
        assert torch.allclose(written[label], expected, atol=1e-6)


def test_a_class_without_meta_images_is_believed(make_task):
    task = train_on(make_task(method="gold_loss_correction"), SIZES)
    meta = task.data.meta
    without = replace(task.data, meta=meta.take((meta.labels != 3).nonzero().squeeze(1)))
    written = written_labels(replace(task, data=without))
    assert written[3].tolist() == [0, 0, 0, 1, 0]
    assert torch.allclose(written.sum(1), torch.ones(5))


def test_meta_images_are_believed_and_training_images_corrected(make_task):
    task = train_on(make_task(method="gold_loss_correction"), SIZES)
    method = build_method(task)
    split = method.training_split()
    size = len(task.data.train)
    assert len(split) == size + len(task.data.meta)
    method.written = torch.full((5, 5), 0.2)  # a label that says nothing
    before = [p.detach().clone() for p in task.model.parameters()]
    task.optimizer.param_groups[0].update(weight_decay=0.0)
    assert abs(method.step(split.batch(torch.arange(12)))["loss/train"] - 1.6094379) < 1e-5
    after = list(task.model.parameters())
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(before, after, strict=True))
    clean = split.batch(torch.arange(size, size + 12))
    expected = F.cross_entropy(task.model(clean.images), clean.labels).item()
    assert abs(method.step(clean)["loss/train"] - expected) < 1e-6


def on_black(split):
    everything = split.everything()
    return replace(split, images=InMemory(everything.images * everything.masks))


def test_it_finds_which_labels_are_written(make_task):
    optimizer = OptimizerConfig(epochs=8, learning_rate=0.05)
    task = train_on(make_task(method="gold_loss_correction", optimizer=optimizer), SIZES)
    train, meta = on_black(task.data.train), on_black(task.data.meta)
    labels = train.labels.clone()
    labels[(labels == 2).nonzero().squeeze(1)[::2]] = 4  # half of the twos are called four
    noisy = replace(train, labels=labels)
    honest, found = (
        written_labels(replace(task, data=replace(task.data, train=split, meta=meta)))
        for split in (train, noisy)
    )
    change = found - honest
    assert change[2, 4] > 0.2
    assert change[2, 2] < -0.2
    assert change[[0, 1, 3, 4]].abs().max() < 0.2
