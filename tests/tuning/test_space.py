"""Ranges of the config's fields, and what is refused."""

from __future__ import annotations

import pytest
import yaml

from causalogit.config import RunConfig
from causalogit.tuning import read_space

pytest.importorskip("optuna")

CONFIG = RunConfig(method="clp")


def test_types_are_those_of_the_config():
    space = read_space(
        {
            "optimizer.learning_rate": {"low": "1e-3", "high": 1, "log": True},
            "optimizer.epochs": {"low": 5, "high": 21, "step": 5},
            "clp.network.bound": {"choices": [1, "5e-1", None]},
            "optimizer.milestones": {"choices": [[2, 4], []]},
            "optimizer.momentum": {"low": 0, "high": 0.35, "step": 0.1},
        },
        CONFIG,
    )
    rate, epochs, bound, milestones, momentum = space.distributions().values()
    assert (rate.low, rate.high, rate.log) == (0.001, 1.0, True)
    assert (epochs.low, epochs.high, epochs.step) == (5, 20, 5)
    assert bound.choices == (1.0, 0.5, None)
    assert (momentum.high, momentum.step) == (0.3, 0.1)
    drawn = {
        "optimizer.learning_rate": 0.01,
        "optimizer.epochs": 10,
        "clp.network.bound": None,
        "optimizer.milestones": milestones.choices[0],
        "optimizer.momentum": 0.2,
    }
    config = space.applied(CONFIG, drawn)
    assert config.optimizer.milestones == (2, 4)
    assert config.optimizer.epochs == 10
    assert config.clp.network.bound is None
    assert config.method == "clp"


def test_a_file_is_as_good_and_what_was_read_reads_alike(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text("clp.every: {low: 1, high: 4}\noptimizer.weight_decay: {choices: [1e-4, 0]}\n")
    space = read_space(str(file), CONFIG)
    assert space.plain() == {
        "clp.every": {"low": 1, "high": 4},
        "optimizer.weight_decay": {"choices": [0.0001, 0.0]},
    }
    assert read_space(yaml.safe_load(yaml.safe_dump(space.plain())), CONFIG) == space


@pytest.mark.parametrize(
    ("field", "range_", "message"),
    [
        ("optimizer.epoch", {"low": 1, "high": 2}, "is no field .* choose among name, learning_r"),
        ("optimizer.epochs.x", {"choices": [1]}, "is no field of a run's config: it goes too far"),
        ("optimizer", {"choices": [1]}, "'optimizer' is a section: choose among name"),
        ("seed", {"low": 1, "high": 2}, "seed is not for tuning: the luckiest seed"),
        ("method", {"choices": ["erm"]}, "would hide what each may know"),
        ("select_by", {"choices": ["accuracy/test_mean"]}, "select_by is not for tuning"),
        ("data.path", {"choices": ["a"]}, "data.path is not for tuning: all trials are judged"),
        ("data.meta.per_class", {"choices": [4, 5]}, "data.meta.per_class is not for tuning"),
        ("data.test_size", {"low": 1, "high": 9}, "data.test_size is not for tuning"),
        ("optimizer.epochs", {"low": 5, "high": 3}, "empty range: low 5 is above high 3"),
        ("optimizer.epochs", {"low": 0, "high": 3}, r"cannot be 0 \(optimizer.epochs is 0"),
        ("optimizer.epochs", {"low": 1.5, "high": 3}, "has low 1.5: give a whole number"),
        ("optimizer.epochs", {"low": 1, "high": "many"}, "has high 'many': give a whole number"),
        ("optimizer.epochs", {"low": 1}, r"give \{low, high\}"),
        ("optimizer.epochs", 3, r"give \{low, high\}"),
        ("optimizer.epochs", {"low": 1, "high": 3, "step": 0}, "has the step 0"),
        ("optimizer.epochs", {"low": 1, "high": 3, "lag": True}, r"give \{low, high\}"),
        ("optimizer.learning_rate", {"low": 0, "high": 1, "log": True}, "needs a low above 0"),
        ("optimizer.name", {"low": 1, "high": 2}, r"is not a number: give \{choices"),
        ("optimizer.name", {"choices": ["sgd", "adm"]}, 'cannot be "adm"'),
        ("optimizer.name", {"choices": []}, "has no choices"),
        ("clp.network.bound", {"choices": [1, 1.0]}, "has a choice twice"),
    ],
)
def test_refused_in_one_sentence(field, range_, message):
    with pytest.raises(ValueError, match=message) as refused:
        read_space({field: range_}, CONFIG)
    assert "\n" not in str(refused.value)


def test_nothing_to_read(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.yaml cannot be read \(No such file"):
        read_space("nowhere.yaml", CONFIG)
    with pytest.raises(ValueError, match="the space is empty"):
        read_space({}, CONFIG)
    (tmp_path / "bad.yaml").write_text("{")
    with pytest.raises(ValueError, match=r"bad.yaml is not a YAML file"):
        read_space(str(tmp_path / "bad.yaml"), CONFIG)
