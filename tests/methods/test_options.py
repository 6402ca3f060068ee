"""Options of the controls are refused in a sentence where they make no sense."""

from __future__ import annotations

import pytest

from causalogit.config import (
    ClpConfig,
    ControlsConfig,
    OptimizerConfig,
    RunConfig,
    config_from_dict,
    config_to_dict,
)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("effective_number_beta", 1.0, "effective_number_beta is 1.0: give a number from 0, and"),
        ("co_teaching_forget_rate", 1.0, "co_teaching_forget_rate is 1.0: give a number from 0"),
        ("focal_gamma", -1.0, "focal_gamma is -1.0: give 0 or more"),
        ("logit_adjustment_tau", -0.5, "logit_adjustment_tau is -0.5: give 0 or more"),
        ("product_alpha", -0.5, "product_alpha is -0.5: give 0 or more"),
        ("group_dro_step", -0.5, "group_dro_step is -0.5: give 0 or more"),
        ("pace", 0.5, "pace is 0.5: give at least 1"),
        ("ldam_drw_start", 1.5, "ldam_drw_start is 1.5: give a share between 0 and 1"),
        ("lisa_same_label", -0.1, "lisa_same_label is -0.1: give a share between 0 and 1"),
        ("mixup_alpha", 0.0, "mixup_alpha is 0.0: give a number above 0, or null"),
        ("crt_epochs", 0, "crt_epochs is 0: give at least 1"),
        ("jtt_epochs", 0, "jtt_epochs is 0: give at least 1"),
        ("jtt_weight", 0.5, "jtt_weight is 0.5: give at least 1"),
    ],
)
def test_a_wrong_value_is_named(option, value, message):
    with pytest.raises(ValueError, match=f"controls.{message}"):
        ControlsConfig(**{option: value})


@pytest.mark.parametrize(
    ("section", "option", "value", "more"),
    [
        (ClpConfig, "clean_weight", -1.0, "0 or more"),
        (ClpConfig, "counterfactual_weight", -1.0, "0 or more"),
        (ClpConfig, "saliency_weight", -1.0, "0 or more"),
        (ClpConfig, "max_hypergradient", -1.0, "a number above 0"),
        (ClpConfig, "expert_learning_rate", 0.0, "a number above 0"),
        (ClpConfig, "noise", 1.0, "a share from 0 to below 1"),
        (OptimizerConfig, "momentum", -1.0, "0 or more"),
        (OptimizerConfig, "weight_decay", -1.0, "0 or more"),
    ],
)
def test_what_would_turn_learning_round_is_named(section, option, value, more):
    with pytest.raises(ValueError, match=rf"{option} is {value}: give {more}"):
        section(**{option: value})


def test_options_survive_a_config_file():
    config = RunConfig(controls=ControlsConfig(mixup_alpha=0.3, jtt_epochs=2, focal_gamma=2.0))
    assert config_from_dict(config_to_dict(config)) == config
