"""What is special about each control."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from causalogit.config import ClpConfig, ControlsConfig, NetworkConfig
from causalogit.core import THE_TEN, Classifier, Pace
from causalogit.data import epoch_order
from causalogit.methods import build_method, refit
from causalogit.methods.clp import choose_characteristics
from causalogit.methods.masked import factual
from causalogit.methods.refit import (
    _logistic_regression,
    estimate_statistics,
    refit_last_layer,
)
from causalogit.models import build_model
from causalogit.train.optimizer import build_optimizer
from tests.methods.conftest import train_on


def some(task, count=64):
    return task.data.train.batch(torch.arange(count) * 13 % 900)


def test_meta_images_are_added_once_an_epoch(make_task):
    task = make_task(method="erm_meta")
    split = build_method(task).training_split()
    assert len(split) == 900 + 50
    added = split.batch(torch.arange(900, 950))
    assert torch.equal(added.images, task.data.meta.everything().images)


@pytest.mark.parametrize("name", ["group_balanced", "group_dro"])
def test_groups_are_drawn_equally_often(name, make_task):
    task = make_task(method=name)
    drawn = epoch_order(50_000, None, 0, 0)  # only to fix the size below
    weights = build_method(task).sampling_weights()
    drawn = torch.multinomial(weights, 50_000, True, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(task.data.train.groups[drawn], minlength=25)
    present = task.data.group_counts > 0
    expected = 50_000 / present.sum()
    assert ((counts[present] - expected).abs() < 0.15 * expected).all()


def test_group_dro_against_a_loop(make_task):
    task = make_task(method="group_dro", controls=ControlsConfig(group_dro_step=0.5))
    method, batch = build_method(task), some(task)
    logits = copy.deepcopy(task.model)(batch.images)
    losses = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="none")
    weights = [1 / 25] * 25
    means = [0.0] * 25
    for group in range(25):
        own = [losses[i].item() for i in range(len(losses)) if batch.groups[i] == group]
        if own:
            means[group] = sum(own) / len(own)
            weights[group] *= torch.tensor(0.5 * means[group]).exp().item()
    weights = [w / sum(weights) for w in weights]
    metrics = method.step(batch)
    expected = sum(w * m for w, m in zip(weights, means, strict=True))
    assert metrics["loss/train"] == pytest.approx(expected, rel=1e-4)
    assert torch.allclose(method.weights, torch.tensor(weights), rtol=1e-4)


def test_factual_images_keep_the_object_and_change_the_background(make_task):
    task = make_task(method="erm_factual")
    batch = some(task)
    changed = build_method(task).images(batch)
    on = (batch.masks > 0).expand_as(changed)
    assert torch.equal(changed[on], batch.images[on])
    assert (changed[~on] != batch.images[~on]).float().mean() > 0.5


@pytest.mark.parametrize("name", ["erm_counterfactual", "erm_factual_counterfactual"])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_images_without_their_object_are_not_of_its_class(name, share, make_task):
    task = make_task(method=name)
    batch = some(task)
    batch.masks[int(share * len(batch.masks)) :] = 1  # nothing is known of these
    method = build_method(task)
    random = task.generator.get_state()
    logits = task.model(method.images(batch))
    task.generator.set_state(random)
    loss = nn.functional.cross_entropy(logits, batch.labels)
    for image, mask, label in zip(batch.images, batch.masks, batch.labels, strict=True):
        rows, columns = (mask[0] > 0).any(1).nonzero(), (mask[0] > 0).any(0).nonzero()
        if mask.min() < 1:
            box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            removed = image.clone()
            removed[(slice(None), *box)] = task.data.mean[:, None, None]
            chance = task.model(removed[None]).softmax(1)[0, label]
            loss -= (1 - chance).log() / len(batch.labels)
    assert method.step(batch)["loss/train"] == pytest.approx(loss.item(), rel=1e-5)


def test_running_statistics_are_of_images_with_objects(make_task):
    seen = []
    for name in ("erm", "erm_counterfactual"):
        task = make_task(method=name)
        task.model.features.insert(1, nn.BatchNorm2d(6))
        build_method(task).step(some(task))
        seen.append(task.model.features[1].running_mean)
    assert torch.equal(*seen)


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


def test_product_of_experts_with_alpha_zero_is_erm(make_task):
    ends = []
    for name in ("erm", "product_of_experts"):
        task = make_task(method=name, controls=ControlsConfig(product_alpha=0.0))
        build_method(task).step(some(task))
        ends.append(torch.cat([p.flatten() for p in task.model.parameters()]))
    assert torch.equal(*ends)


def test_meta_lp_has_the_clean_term_only(make_task):
    task = make_task(method="meta_lp")
    metrics = build_method(task).step(some(task))
    assert "loss/meta_clean" in metrics
    assert not {"loss/meta_factual", "loss/meta_counterfactual"} & set(metrics)
    metrics = build_method(make_task(method="clp")).step(some(task))
    assert {"loss/meta_factual", "loss/meta_counterfactual"} <= set(metrics)


def test_config_overrides_a_methods_own_network(make_task):
    chosen = ClpConfig(network=NetworkConfig(form="vector", bound=float("inf")))
    method = build_method(make_task(method="clp_factual", clp=chosen))
    form = method.clp.network.form
    assert type(form).__name__ == "Vector"
    assert form.bound is None
    own = build_method(make_task(method="clp_factual")).clp.network.form
    assert type(own).__name__ == "Expert"


def test_expert_form_of_clp_runs_and_reports_alpha(make_task):
    expert = ClpConfig(network=NetworkConfig(form="expert"))
    task = make_task(method="clp", clp=expert)
    metrics = build_method(task).step(some(task))
    assert metrics["delta/alpha"] == pytest.approx(0.9, abs=0.05)


def test_adjusted_clp_begins_as_logit_adjustment_at_nine_tenths(make_task):
    task = train_on(make_task(method="clp_adjusted"), [100, 50, 25, 12, 6])
    method = build_method(task)
    _, delta = method.perturbation(task.data.train.batch(torch.arange(64)))
    frequencies = task.data.class_counts / task.data.class_counts.sum()
    assert frequencies.max() > 5 * frequencies.min()
    torch.testing.assert_close(delta, 0.9 * frequencies.log().expand_as(delta))
    assert method.information() == "A"


@pytest.mark.parametrize("name", ["background", "visible", "classifier", "frequency"])
def test_a_network_may_see_what_any_expert_says(name, make_task):
    clp = ClpConfig(characteristics=("loss", "spurious_loss"), expert=name, expert_epochs=1)
    task = make_task(method="clp", clp=clp)
    method, batch = build_method(task), some(task)
    said = method.expert.log_probabilities(batch)
    torch.testing.assert_close(said.exp().sum(1), torch.ones(len(batch.labels)))
    values, _ = method.perturbation(batch)
    own = said.gather(1, batch.labels[:, None]).squeeze(1)
    torch.testing.assert_close(values[:, 1], -own)
    assert method.information() == ("B" if name == "frequency" else "C")
    assert "skipped" in method.step(batch)


def test_the_classifier_as_its_own_expert_leaves_no_trace(make_task):
    clp = ClpConfig(characteristics=("spurious_gap",), expert="classifier")
    task = make_task(method="clp", clp=clp)
    task = replace(task, model=build_model("cnn", 5, 3, seed=0))  # with running statistics
    task = replace(task, optimizer=build_optimizer(task.model, task.config.optimizer))
    method, batch = build_method(task), some(task)
    task.model.train()
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    said = method.expert.log_probabilities(batch)
    assert all(torch.equal(value, before[n]) for n, value in task.model.state_dict().items())
    assert all(module.training for module in task.model.modules())
    whole = task.model.eval()(batch.images).log_softmax(1)
    assert not torch.allclose(said, whole, atol=1e-3)  # the object is gone


def test_the_background_shift_is_that_of_the_classifier(make_task):
    clp = ClpConfig(characteristics=("background_shift",))
    controls = ControlsConfig(train_fill="grey")
    task = make_task(method="clp", clp=clp, controls=controls)
    method, batch = build_method(task), some(task)
    values, _ = method.perturbation(batch)
    grey = factual(task, "grey")(batch.images, batch.masks, batch.labels)
    with torch.no_grad():
        here, there = (task.model.eval()(x).softmax(1) for x in (batch.images, grey))
    torch.testing.assert_close(values[:, 0], (here - there).abs().sum(1) / 2)
    assert values.abs().max() > 0
    assert method.information() == "C"
    assert "skipped" in method.step(batch)


def test_the_background_shift_needs_masks(make_task):
    task = make_task(method="clp", clp=ClpConfig(characteristics=("background_shift",)))
    method, batch = build_method(task), some(task)
    with pytest.raises(ValueError, match="'background_shift' needs masks on the training images"):
        method.step(batch._replace(masks=None))


def test_characteristics_are_left_out_and_replaced_by_name():
    base = ClpConfig()
    assert choose_characteristics(base) == THE_TEN
    without = choose_characteristics(replace(base, without=("loss", "class")))
    assert without == tuple(
        n for n in THE_TEN
        if n not in {"loss", "class_proportion", "class_loss", "weight_norm"}
    )  # fmt: skip
    swapped = choose_characteristics(replace(base, replace={"entropy": "confidence"}))
    assert swapped[THE_TEN.index("entropy")] == "confidence"
    with pytest.raises(ValueError, match=r"name \['los'\], not among"):
        choose_characteristics(replace(base, without=("los",)))


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


def test_logit_correction_counts_classes_among_images_of_the_same_attribute(make_task):
    task = make_task(method="logit_correction")
    method, batch = build_method(task), some(task)
    train, shares = task.data.train, method.delta(batch).exp()
    for i, group in enumerate(batch.groups.tolist()):
        alike = train.labels[train.groups % 5 == group % 5]
        for label in range(5):
            count = (alike == label).sum().item() + 1
            assert shares[i, label].item() == pytest.approx(count / (len(alike) + 5), rel=1e-4)
    logits = copy.deepcopy(task.model)(batch.images)
    expected = torch.nn.functional.cross_entropy(logits + shares.log(), batch.labels).item()
    assert method.step(batch)["loss/train"] == pytest.approx(expected, rel=1e-4)


def test_a_paced_product_of_experts_multiplies_its_loss(make_task):
    """By what delta takes away of the residuals, and a checkpoint keeps how much that was."""
    losses, memories = {}, {}
    for limit in (1.0, 10.0):
        controls = ControlsConfig(product_alpha=0.9, product_pace=limit)
        task = make_task(method="product_of_experts", controls=controls)
        method = build_method(task)
        batch = task.data.train.batch(torch.arange(16))
        delta = 0.9 * method.expert.log_probabilities(batch)
        losses[limit] = method.step(batch)["loss/train"]
        memories[limit] = method.state_dict()["pace"]
    expected = Pace(10.0).after(delta, batch.labels)
    assert expected > 1.001
    assert losses[10.0] == pytest.approx(expected * losses[1.0], rel=1e-4)
    assert memories[1.0] is None
    again = build_method(make_task(method="product_of_experts", controls=controls))
    again.load_state_dict(method.state_dict())
    assert again.pace.left == memories[10.0]
