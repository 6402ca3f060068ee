"""What the methods of CLP make of the config."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from causalogit.config import ClpConfig, ControlsConfig, NetworkConfig
from causalogit.core import THE_TEN
from causalogit.methods import build_method
from causalogit.methods.clp import choose_characteristics
from causalogit.methods.masked import factual
from causalogit.models import build_model
from causalogit.train.optimizer import build_optimizer
from tests.methods.conftest import some, train_on


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
