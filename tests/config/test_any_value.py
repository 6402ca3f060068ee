"""Any value at any field of a config: a config that survives its file, or one sentence."""

from __future__ import annotations

import dataclasses
import datetime
import math

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from causalogit.config import NetworkConfig, RunConfig, config_from_dict, config_to_dict


def paths(section, above=()):
    """Every field and section, as the keys that lead to it."""
    for field in dataclasses.fields(section):
        yield (*above, field.name)
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from paths(value, (*above, field.name))


PATHS = list(paths(RunConfig()))
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([2**70, -(2**70), 10**4000, 10**400, 1e308, 5e-324])
)
TEXT = st.text(max_size=8) | st.sampled_from(
    ["null", "true", "1e3", ".nan", "[1", "{a: 1}", "*a", "!!python/name:os.system", "${x}", "<<"]
)
PLAIN = st.one_of(
    st.none(), st.booleans(), NUMBERS, TEXT, st.binary(max_size=3),
    st.just(datetime.date(2020, 1, 1)), st.just({1, 2}),
)  # fmt: skip
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.integers(), inner, max_size=2)
    ),
    max_leaves=4,
)


def nested(path, value):
    for key in reversed(path):
        value = {key: value}
    return value


def check(content):
    refusal = None
    try:
        config = config_from_dict(content)
    except ValueError as error:
        refusal = str(error)
    if refusal is not None:
        assert refusal.strip()
        return
    written = yaml.safe_dump(config_to_dict(config), sort_keys=False)
    assert config_from_dict(yaml.safe_load(written)) == config


@pytest.mark.parametrize("path", PATHS, ids=".".join)
@given(value=VALUES)
@settings(max_examples=6)
@example(value=None)
@example(value=10**4000)
@example(value=math.nan)
@example(value=b"abc")
@example(value=[1])
def test_any_value_at_any_field(path, value):
    check(nested(path, value))


@given(content=VALUES)
@settings(max_examples=10)
def test_any_value_in_place_of_a_config(content):
    check(content)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("seed",), None, "seed is null: give a value, or leave it out for its default"),
        (("std",), (0.5, math.nan), "std is nan: give a number"),
        (("data",), 3, r"data is no section of options: give a mapping, as in \{source: \.\.\.\}"),
        (("clp", "network"), [1], "network is no section of options"),
        (("data", "long_tail"), None, "long_tail is no section of options"),
        (("clp", "network", "hidden"), None, r"clp\.network\.hidden is null"),
        (("controls", "jtt_weight"), math.inf, r"controls\.jtt_weight is infinite: give a number"),
        (("checkpoint_every",), -1, "checkpoint_every is -1: give a number of steps, or 0"),
        (("optimizer", "momentum"), math.nan, r"optimizer\.momentum is nan: give a number"),
        (("data", "classes"), {0: ["1"]}, r"data\.classes has a name that is no text: put"),
        (("checkpoint_every",), 10**5000, r"checkpoint_every is beyond 2\*\*63: give a smaller"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",  # so long a number has no name
)
def test_what_no_type_forbids_is_refused_by_name(path, value, message):
    with pytest.raises(ValueError, match=message):
        config_from_dict(nested(path, value))


def test_null_is_for_the_fields_that_have_it():
    assert config_from_dict(nested(("clp", "network", "bound"), None)) == RunConfig()
    assert NetworkConfig(bound=math.inf).bound == math.inf
