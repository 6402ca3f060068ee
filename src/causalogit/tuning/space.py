"""The fields of a run's config that are searched, and their ranges."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from causalogit.config import RunConfig, config_from_dict, config_to_dict
from causalogit.config.check import one_line, read_yaml

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Scalar = str | int | float | bool | None

_JUDGES: Final = "all trials are judged on the same data, by the same metric"
_REFUSED: Final = {
    "method": "a search over methods would hide what each may know: tune one at a time",
    "seed": "the luckiest seed is no better config: --seeds says which ones a trial is the mean of",
    "select_by": _JUDGES,
    "accelerator": "it says where a run is made, not how",
    "checkpoint_every": "it says how a run is kept, not how it is made",
    "clp.inpainter.path": "it says where a file is, not how a run is made",
    "clp.inpainter.kept": "it says where a file is, not how a run is made",
    "clp.inpainter.trust": "whether a file is trusted is not for a search to say",
}
_DATA: Final = ("data.transform", "data.image_size")
"""Fields of the data that say how to learn from it; all others, as the size of the meta set, deal
out other images to judge trials on."""

_KEYS: Final = {"low", "high", "log", "step", "choices"}


@dataclass(frozen=True)
class Dimension:
    """A field and what it may be.

    Attributes:
        field: dotted name in the config.
        whole: whether its numbers are whole ones.
        low, high: the range; both belong to it.
        log: draw evenly over the logarithm.
        step: from one value to the next; None for all.
        choices: in place of a range.
    """

    field: str
    whole: bool = False
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()

    def distribution(self) -> BaseDistribution:
        """As Optuna has it; choices that are no plain values are named by their JSON text."""
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        if self.choices:
            return CategoricalDistribution([_label(choice) for choice in self.choices])
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=step)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def value(self, drawn: Scalar) -> Any:
        """The field's value for what Optuna has drawn."""
        labels = {_key(_label(choice)): choice for choice in self.choices}
        return labels[_key(drawn)] if labels else drawn

    def plain(self) -> dict[str, Any]:
        """As a YAML or JSON file holds it."""
        if self.choices:
            return {"choices": list(self.choices)}
        low, high = self.ends()
        step = {} if self.step is None else {"step": int(self.step) if self.whole else self.step}
        return {"low": low, "high": high, **({"log": True} if self.log else {}), **step}

    def ends(self) -> tuple[Any, ...]:
        """The values that tell whether all of them fit."""
        if self.choices:
            return self.choices
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


@dataclass(frozen=True)
class Space:
    """All that is searched.

    Attributes:
        dimensions: one a field.
    """

    dimensions: tuple[Dimension, ...]

    def plain(self) -> dict[str, Any]:
        """The space as a YAML or JSON file holds it."""
        return {own.field: own.plain() for own in self.dimensions}

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's, by field."""
        return {own.field: own.distribution() for own in self.dimensions}

    def applied(self, config: RunConfig, drawn: Mapping[str, Scalar]) -> RunConfig:
        """The config with what Optuna has drawn in its place.

        Raises:
            ValueError: the values do not go together.
        """
        return with_values(config, self.values(drawn))

    def values(self, drawn: Mapping[str, Scalar]) -> dict[str, Any]:
        """The fields' values for what Optuna has drawn."""
        return {own.field: own.value(drawn[own.field]) for own in self.dimensions}


def read_space(given: str | Mapping[str, Any], config: RunConfig) -> Space:
    """Read and check a space.

    Args:
        given: ranges by dotted field, `{low, high}` with `log: true` or `step` if wanted, or
            `{choices}`; or a YAML file of them.
        config: the run that is tuned.

    Raises:
        ValueError: it cannot be read, a field is not known or makes no sense, or a range is empty
            or does not fit its field.
    """
    content = (
        read_yaml(Path(given), f"space {given}", "the mapping itself")
        if isinstance(given, str)
        else given
    )
    if not isinstance(content, Mapping) or not content:
        raise ValueError(
            "the space is empty: give fields of the config and their ranges, as in "
            "{optimizer.learning_rate: {low: 0.001, high: 0.3, log: true}}"
        )
    read = [_read_dimension(str(field), range_) for field, range_ in content.items()]
    return Space(tuple(_fitted(own, config) for own in read))


def _fitted(own: Dimension, config: RunConfig) -> Dimension:
    """With choices as the config has them: 0.001 for "1e-3", which YAML takes for text.

    Raises:
        ValueError: a choice, or an end of the range, does not fit the field.
    """
    values = []
    for value in own.ends():
        try:
            place: Any = config_to_dict(with_values(config, {own.field: value}))
        except ValueError as error:
            raise ValueError(
                f"space: {own.field} cannot be {json.dumps(value)} ({one_line(error)})"
            ) from error
        for name in own.field.split("."):
            place = place[name]
        values.append(place)
    return replace(own, choices=tuple(values)) if own.choices else own


def _read_dimension(field: str, range_: Any) -> Dimension:
    kinds = _field_types(field)
    keys = set(range_) if isinstance(range_, Mapping) else set()
    if not (keys == {"choices"} or {"low", "high"} <= keys <= _KEYS - {"choices"}):
        raise ValueError(
            f"space: {field} is {range_}: give {{low, high}}, with log: true or a step if wanted, "
            "or {choices}"
        )
    if "choices" in keys:
        return _read_choices(field, range_["choices"])
    if not kinds & {int, float}:
        raise ValueError(f"space: {field} is not a number: give {{choices: [...]}}")
    return _read_range(field, float not in kinds, range_)


def _read_choices(field: str, choices: Any) -> Dimension:
    if not isinstance(choices, list | tuple) or not choices:
        raise ValueError(f"space: {field} has no choices: give a list of them")
    if len({_key(_label(choice)) for choice in choices}) < len(choices):
        raise ValueError(f"space: {field} has a choice twice: {list(choices)}")
    return Dimension(field, choices=tuple(choices))


def _read_range(field: str, whole: bool, range_: Mapping[str, Any]) -> Dimension:
    low, high = (_number(field, name, range_[name], whole) for name in ("low", "high"))
    step = None if range_.get("step") is None else _number(field, "step", range_["step"], whole)
    log = range_.get("log", False)
    if low > high:
        raise ValueError(f"space: {field} has an empty range: low {low} is above high {high}")
    if not isinstance(log, bool) or (log and (low <= 0 or step is not None)):
        raise ValueError(f"space: {field}: log: true needs a low above 0, and takes no step")
    if step is not None:
        if step <= 0:
            raise ValueError(f"space: {field} has the step {step}: give one above 0")
        high = low + (high - low) // step * step  # the last value that is reached
    return Dimension(
        field, whole, float(low), float(high), log, None if step is None else float(step)
    )


def _number(field: str, name: str, value: Any, whole: bool) -> Decimal:
    """Of text as well: YAML takes 1e-3 for it. Decimal, so that steps add up."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("nan")
    if isinstance(value, bool) or not number.is_finite() or (whole and number % 1):
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"space: {field} has {name} {value!r}: give {kind}")
    return number


def _field_types(field: str) -> set[Any]:
    """The types that the config has for a field.

    Raises:
        ValueError: there is no such field, it is a whole section, or it makes no sense to search.
    """
    kind: Any = RunConfig
    for name in field.split("."):
        hints = get_type_hints(kind) if is_dataclass(kind) else {}
        if name not in hints:
            raise ValueError(f"space: '{field}' is no field of a run's config: {_known(kind)}")
        kind = hints[name]
    if is_dataclass(kind):
        raise ValueError(f"space: '{field}' is a section: {_known(kind)}")
    reason = _REFUSED.get(field)
    if field.startswith("data.") and field not in _DATA:
        reason = _JUDGES
    if reason:
        raise ValueError(f"space: {field} is not for tuning: {reason}")
    union = get_origin(kind) in (Union, types.UnionType)
    parts = set(get_args(kind)) if union else {kind}
    return {Literal if get_origin(part) is Literal else part for part in parts}


def _known(kind: Any) -> str:
    return (
        "choose among " + ", ".join(get_type_hints(kind))
        if is_dataclass(kind)
        else "it goes too far"
    )


def with_values(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """The config with other values of some fields, by their dotted names.

    Raises:
        ValueError: a value does not fit its field, or they do not go together.
    """
    content = config_to_dict(config)
    for field, value in values.items():
        *sections, name = field.split(".")
        place = content
        for section in sections:
            place = place[section]
        place[name] = value
    return config_from_dict(content)


def _label(choice: Any) -> Scalar:
    if choice is None or isinstance(choice, str | int | float | bool):
        return choice
    return json.dumps(choice)


def _key(label: Scalar) -> tuple[type, Scalar]:
    """What tells 1 from true, but not 1 from 1.0."""
    return (float if type(label) is int else type(label), label)
