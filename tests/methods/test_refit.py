"""DFR, and last layers and statistics that are touched in the end."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from causalogit.config import ClpConfig
from causalogit.core import Classifier
from causalogit.methods import build_method, refit
from causalogit.methods.refit import (
    _logistic_regression,
    estimate_statistics,
    refit_last_layer,
)
from causalogit.train.optimizer import build_optimizer


def test_dfr_is_logistic_regression_on_features(make_task):
    task = make_task(method="dfr")
    method = build_method(task)
    before = copy.deepcopy(task.model)
    method.finish(task.model)
    meta = task.data.meta.everything()
    classifier = Classifier(before, 5)
    with torch.no_grad():
        _, features = classifier(meta.images)
    weight, bias = _logistic_regression(features.double(), meta.labels, torch.arange(50))
    expected = (features.double() @ weight.T + bias).argmax(1)
    task.model.eval()
    assert torch.equal(task.model(meta.images).argmax(1), expected)
    for name, parameter in task.model.named_parameters():
        same = torch.equal(parameter, dict(before.named_parameters())[name])
        assert same != name.startswith("classifier.5")  # only the last layer is refitted


def test_logistic_regression_undoes_its_standardisation():
    torch.manual_seed(0)
    features = torch.randn(60, 4, dtype=torch.float64) * torch.tensor([1.0, 10, 0.1, 3]) + 5
    labels = (features[:, 0] + features[:, 1] / 10 > 5.5).long() + (features[:, 3] > 6).long()
    weight, bias = _logistic_regression(features, labels, torch.arange(60))
    normal = (features - features.mean(0)) / features.std(0)
    candidates = [
        LogisticRegression(C=c, max_iter=2000).fit(normal.numpy(), labels.numpy())
        for c in (1e-3, 1e-2, 1e-1, 1.0, 10.0)
    ]
    ours = (features @ weight.T + bias).numpy()
    assert any(abs(ours - c.decision_function(normal.numpy())).max() < 1e-6 for c in candidates)


def test_a_share_of_the_refit_layer_is_mixed_in(make_task):
    """On the meta images both layers have the same spread, and logits are linear in the layer."""
    task = make_task(method="clp_factual")
    images = task.data.meta.everything().images
    logits = {}
    for share in (0.0, 0.3, 1.0):
        model = copy.deepcopy(task.model)
        refit_last_layer(task, model, None, share)
        logits[share] = model(images).detach()
    plain = task.model.eval()(images).detach()
    torch.testing.assert_close(logits[0.0], plain)

    def centred(values):
        return values - values.mean(1, keepdim=True)

    old, new = centred(plain), centred(logits[1.0])
    expected = 0.7 * old + 0.3 * new * old.std() / new.std()
    torch.testing.assert_close(centred(logits[0.3]), expected, atol=1e-4, rtol=1e-3)
    assert not torch.allclose(centred(logits[0.3]), old, atol=1e-3)


def test_a_refit_looks_at_a_part_of_the_meta_set_at_a_time(make_task, monkeypatch):
    """And fills find images of other classes in every part."""
    task = make_task(method="dfr_augmented")
    meta, seen, classes = task.data.meta, [], []
    handle = task.model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    heads = []
    for at_once in (len(meta), 7):
        monkeypatch.setattr(refit, "_AT_ONCE", at_once)

        def augment(images, masks, labels):
            classes.append(len(labels.unique()))
            return images

        model = copy.deepcopy(task.model)
        refit.refit_last_layer(task, model, augment)
        heads.append(Classifier(model, 5).head.weight.detach().clone())
    handle.remove()
    assert max(seen[-11 * 8 :]) <= 7 < len(meta)
    assert min(classes) > 1
    torch.testing.assert_close(heads[1], heads[0], atol=1e-3, rtol=1e-2)


def with_batch_norm(task):
    """The task of a classifier whose first layer is batch norm."""
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 5))
    model = nn.Sequential(nn.BatchNorm2d(3), *pool)
    return replace(task, model=model, optimizer=build_optimizer(model, task.config.optimizer))


@pytest.mark.parametrize("at_once", [1000, 7])
def test_statistics_are_the_mean_of_those_of_batches(at_once, make_task, monkeypatch):
    monkeypatch.setattr(refit, "_AT_ONCE", at_once)
    task = with_batch_norm(make_task(method="clp_factual"))
    with torch.no_grad():
        task.model(torch.full((4, 3, 28, 28), 9.0))  # leaves a trace, which must go
    task.model.eval()
    before = copy.deepcopy(task.model.state_dict())
    factors = iter(range(1, 10_000))
    estimate_statistics(task, task.model, lambda images, masks, labels: next(factors) * images)
    images = task.data.meta.everything().images.double()
    count = -(-len(images) // at_once)
    parts = [images[part::count] for part in range(count)] * 10
    scaled = [pair for k, part in enumerate(parts, 1) for pair in (part, k * part)]
    means = torch.stack([batch.mean((0, 2, 3)) for batch in scaled])
    variances = torch.stack([batch.transpose(0, 1).flatten(1).var(1) for batch in scaled])
    norm = task.model[0]
    torch.testing.assert_close(norm.running_mean.double(), means.mean(0), rtol=1e-4, atol=0)
    torch.testing.assert_close(norm.running_var.double(), variances.mean(0), rtol=1e-4, atol=0)
    assert not norm.training
    assert norm.momentum == 0.1
    changed = {n for n, v in task.model.state_dict().items() if not torch.equal(v, before[n])}
    assert changed == {"0.running_mean", "0.running_var", "0.num_batches_tracked"}


@pytest.mark.parametrize("name", ["clp", "clp_factual"])
def test_statistics_are_the_meta_images_where_the_config_says_so(name, make_task):
    for anew in (False, True):
        config = ClpConfig(meta_statistics=anew, refit=0.0)
        task = with_batch_norm(make_task(method=name, clp=config))
        build_method(task).finish(task.model)
        assert (task.model[0].running_mean.abs().max() > 0) == anew
        images = task.data.meta.everything().images
        if anew:  # factual copies have other colours, the digits' own are the same
            assert task.model[0].running_mean.allclose(images.mean((0, 2, 3)), atol=0.1)


def test_clp_refits_where_it_is_told_to(make_task):
    for share in (0.0, 0.5):
        task = make_task(method="clp_factual", clp=ClpConfig(refit=share, expert_epochs=1))
        before = copy.deepcopy(task.model.state_dict())
        build_method(task).finish(task.model)
        changed = {n for n, v in task.model.state_dict().items() if not torch.equal(v, before[n])}
        head = Classifier(task.model, 5).head_name
        assert changed == ({f"{head}.weight", f"{head}.bias"} if share else set())


def test_a_class_without_meta_images_keeps_its_part_of_the_last_layer(make_task):
    task = make_task(method="clp_factual", clp=ClpConfig(refit=0.25, expert_epochs=1))
    meta = task.data.meta
    task = replace(
        task, data=replace(task.data, meta=meta.take((meta.labels != 4).nonzero()[:, 0]))
    )
    head = Classifier(task.model, 5).head
    before = copy.deepcopy(head.state_dict())
    build_method(task).finish(task.model)
    for name, value in head.state_dict().items():
        assert torch.equal(value[4], before[name][4])
        assert not torch.equal(value[:4], before[name][:4])


@pytest.mark.parametrize("missing", [(), (2,)])
def test_dfr_of_two_classes_tells_them_apart(missing, make_task):
    """Of two classes scikit-learn fits one row of weights, not two."""
    task = make_task(method="dfr")
    meta = task.data.meta
    keep = [label for label in range(5 if missing else 2) if label not in missing]
    chosen = torch.cat([(meta.labels == label).nonzero().squeeze(1) for label in keep])
    task = replace(task, data=replace(task.data, meta=meta.take(chosen)))
    build_method(task).finish(task.model)
    task.model.eval()
    given = task.data.meta.everything()
    answers = task.model(given.images).argmax(1)
    assert set(answers.tolist()) == set(keep)
    assert (answers == given.labels).double().mean().item() > 0.6
