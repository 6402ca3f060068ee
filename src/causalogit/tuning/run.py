"""Tuning: trial after trial on validation data, until as many as wanted are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from causalogit.config import RunConfig
from causalogit.core import Divergence
from causalogit.methods import Method, find_method
from causalogit.train import validate
from causalogit.train.folder import RunFolder
from causalogit.train.loop import SELECTORS, Trainer
from causalogit.tuning.result import Tuned, read_result, write_files
from causalogit.tuning.space import Space, read_space
from causalogit.tuning.study import SharedStudy, Taken, require_optuna

Progress = Callable[[str, int, int], None]
"""`(run, steps done, steps in all)`."""


class _Pruned(Exception):
    """Ends a run whose trial is not worth its last epochs."""


def tune(
    config: RunConfig,
    space: str | Mapping[str, Any],
    out: Path,
    *,
    trials: int = 20,
    seeds: Sequence[int] = (),
    storage: str | None = None,
    prune: bool = True,
    on_progress: Progress | None = None,
) -> Tuned:
    """Search for the values of a config's fields that are best on validation data.

    A trial's value is the validation metric `config.select_by` of the selected epoch, after the
    method's last touch, as the mean over the seeds. All runs have the split of the first seed,
    unless `config.data.seed` says another one, and so has the best config: no model sees an image
    of its test.
    Processes that are given the same folder share the trials; those that `out` holds already are
    kept, and one whose process was killed is gone on with.

    Args:
        config: of the base run.
        space: ranges by dotted field of the config, or a YAML file of them; see `read_space`.
        out: gets `best.yaml`, `trials.csv` and the folder `trials`.
        trials: how many are to be done, those of other processes and earlier calls included.
        seeds: one run each in every trial; empty for the config's own. The first one seeds the
            search as well.
        storage: any URL of Optuna; None for a file in `out`.
        prune: stop trials whose first seed, after half of its epochs, is below the median of the
            others at the same epoch. Not done where the epochs themselves are searched, or the
            method changes its weights after the last one: epochs are not alike, then.
        on_progress: told how far each run is.

    Returns:
        All trials so far.

    Raises:
        ValueError: Optuna is missing, the config, space or seeds are wrong, `out` holds another
            study, or no trial came to an end.
    """
    require_optuna()
    seeds = tuple(seeds) or (config.seed,)
    _check(config, trials, seeds)
    config = replace(config, seed=seeds[0])
    config = replace(config, data=replace(config.data, seed=config.split_seed))
    read = read_space(space, config)
    if not (out / "tune.yaml").is_file():
        Trainer(config, RunFolder(out))  # what is wrong with all trials is said before the first
    study = SharedStudy(out, config, read, seeds, storage)
    worker = _Worker(
        study, config, read, seeds, prune and _epochs_are_alike(config, read), on_progress
    )
    while (taken := study.take(trials)) is not None:
        try:
            worker.make(taken)
        finally:
            study.let_go(taken)
        write_files(study, config)
    write_files(study, config)  # of a worker that was killed before it wrote them
    return read_result(study, config, seeds)


def _check(config: RunConfig, trials: int, seeds: Sequence[int]) -> None:
    if config.select_by not in SELECTORS:
        raise ValueError(
            f"select_by is '{config.select_by}': choose a validation metric, "
            f"{' or '.join(SELECTORS)}"
        )
    if trials < 1:
        raise ValueError(f"trials is {trials}: give at least 1")
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ValueError(f"seeds are {list(seeds)}: give different numbers, from 0 on")


def _epochs_are_alike(config: RunConfig, space: Space) -> bool:
    """Whether the same epoch says of each trial how good it will be."""
    last_touch = find_method(config.method).finish is not Method.finish
    return not last_touch and all(own.field != "optimizer.epochs" for own in space.dimensions)


class _Worker:
    """Makes trials, one at a time."""

    def __init__(
        self,
        study: SharedStudy,
        config: RunConfig,
        space: Space,
        seeds: Sequence[int],
        prune: bool,
        on_progress: Progress | None,
    ) -> None:
        self.study, self.config, self.space, self.seeds = study, config, space, seeds
        self.prune = prune
        self.on_progress = on_progress

    def make(self, taken: Taken) -> None:
        """Make a trial and tell the study what became of it."""
        if self.study.repeat(taken):
            return
        values: list[float] = []
        try:
            config = self.space.applied(self.config, taken.trial.params)
            for seed in self.seeds:
                values.append(self._value(taken, replace(config, seed=seed)))
        except _Pruned:
            self.study.prune(taken, "below the median")
        except Divergence:
            self.study.prune(taken, "diverged")
        except torch.OutOfMemoryError:
            self.study.prune(taken, "out of memory")
        except ValueError as error:
            self.study.refuse(taken, str(error))
        else:
            self.study.complete(taken, values)

    def _value(self, taken: Taken, config: RunConfig) -> float:
        trial = taken.trial
        label = f"trial {trial.number}, seed {config.seed}"

        def on_step(done: int, total: int) -> None:
            if self.on_progress:
                self.on_progress(label, done, total)

        def on_epoch(epoch: int, value: float) -> None:
            if config.seed == self.seeds[0]:
                trial.report(value, epoch)
                if self.prune and trial.should_prune():
                    raise _Pruned

        folder = taken.folder / f"seed-{config.seed}"
        return validate(config, folder, on_step=on_step, on_epoch=on_epoch)[config.select_by]
