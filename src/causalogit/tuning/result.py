"""What a study found: its trials, the best config, and which fields mattered."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from causalogit.config import RunConfig, config_to_dict
from causalogit.files import write_text
from causalogit.tuning.space import with_values
from causalogit.tuning.study import SharedStudy

_FEW = 10
"""Complete trials from which on it is told which fields mattered."""


@dataclass(frozen=True)
class Trial:
    """One trial that ended.

    Attributes:
        number: of the trial.
        state: "complete", "pruned", or "refused".
        value: mean of the values; None where it is not complete.
        values: one a seed.
        epochs: that the first seed was trained.
        seconds: from its start, or from where it was gone on with, to its end.
        fields: the values of the searched fields.
        reason: why it is not complete; empty where it is.
    """

    number: int
    state: str
    value: float | None
    values: tuple[float, ...]
    epochs: int
    seconds: float
    fields: dict[str, Any]
    reason: str


@dataclass(frozen=True)
class Tuned:
    """What a study found so far.

    Attributes:
        trials: those that ended, in the order of their numbers.
        best: the complete trial of the highest value.
        config: of its first seed.
        importances: share of each field in the spread of the values; empty where there are too few.
        running: trials that other processes are still making.
        file: the best config, for `causalogit train --config`.
        seeds: that a trial is the mean of.
    """

    trials: tuple[Trial, ...]
    best: Trial
    config: RunConfig
    importances: dict[str, float]
    running: int
    file: Path
    seeds: tuple[int, ...]


def write_files(study: SharedStudy, config: RunConfig) -> None:
    """Write `trials.csv`, and `best.yaml` once there is a best trial.

    Args:
        study: its trials so far.
        config: of the base run, with the first seed.
    """
    with study.lock:  # so that no worker puts older files over those of another one
        trials = _trials(study)
        write_text(study.out / "trials.csv", _as_csv(trials))
        best = _best(trials)
        if best is not None:
            plain = yaml.safe_dump(
                config_to_dict(with_values(config, best.fields)), sort_keys=False
            )
            head = f"# trial {best.number}: validation {config.select_by} {best.value:.4f}\n"
            write_text(study.out / "best.yaml", head + plain)


def read_result(study: SharedStudy, config: RunConfig, seeds: Sequence[int]) -> Tuned:
    """What the study has found so far.

    Args:
        study: its trials.
        config: of the base run, with the first seed.
        seeds: of each trial.

    Raises:
        ValueError: no trial is complete.
    """
    trials, running = _trials(study), study.running()
    best = _best(trials)
    if best is None:
        reasons = "; ".join(dict.fromkeys(trial.reason for trial in trials)) or "none has ended"
        more = f", and {running} are still made by other processes" if running else ""
        raise ValueError(f"no trial is complete ({reasons}{more})")
    return Tuned(
        trials,
        best,
        with_values(config, best.fields),
        _importances(study, trials),
        running,
        study.out / "best.yaml",
        tuple(seeds),
    )


def _trials(study: SharedStudy) -> tuple[Trial, ...]:
    found = []
    for trial in study.ended():
        complete = trial.state.name == "COMPLETE"
        ended, begun = trial.datetime_complete, trial.datetime_start
        found.append(
            Trial(
                trial.number,
                {"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "refused"),
                trial.value if complete else None,
                tuple(trial.user_attrs.get("values", ())),
                trial.last_step or 0,
                (ended - begun).total_seconds() if ended and begun else 0.0,
                study.space.values(trial.params),
                trial.user_attrs.get("reason", ""),
            )
        )
    return tuple(found)


def _best(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial of the highest value; of several, the first."""
    complete = [(trial.value, -trial.number, trial) for trial in trials if trial.value is not None]
    return max(complete, key=lambda own: own[:2])[2] if complete else None


def _importances(study: SharedStudy, trials: Sequence[Trial]) -> dict[str, float]:
    from optuna.importance import get_param_importances

    values = [trial.value for trial in trials if trial.value is not None]
    if len(values) < _FEW or len(set(values)) < 2 or len(study.space.dimensions) < 2:
        return {}
    return get_param_importances(study.study)


def _as_csv(trials: Sequence[Trial]) -> str:
    text = io.StringIO()
    names = ["trial", "state", "value", "values", "epochs", "seconds", "reason"]
    fields = list(dict.fromkeys(name for trial in trials for name in trial.fields))
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, *fields])
    for trial in trials:
        values = " ".join(str(value) for value in trial.values)
        cells = [trial.number, trial.state, trial.value, values, trial.epochs]
        shown = [trial.fields.get(name) for name in fields]
        writer.writerow([*cells, round(trial.seconds, 2), trial.reason, *shown])
    return text.getvalue()
