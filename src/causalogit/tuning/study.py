"""The study that all workers share: who takes which trial, and what became of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from filelock import FileLock, Timeout

from causalogit.config import RunConfig, config_from_dict, config_to_dict
from causalogit.config.check import one_line
from causalogit.files import write_text
from causalogit.tuning.space import Space

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Taken:
    """A trial that this process, and no other one, is making.

    Attributes:
        trial: Optuna's.
        folder: of its runs; that of the trial that it goes on with, if it does.
    """

    trial: Trial
    folder: Path


class SharedStudy:
    """A study of Optuna in a folder, for any number of processes; `lock` is for one at a time.

    A worker holds the lock of its trial's folder, which the system lets go of however the worker
    ends; a running trial whose lock is free is dead, and another one goes on in its folder.

    Optuna's pruner holds a trial against the median of the others once more than half of its
    epochs are over: before, a low rate or a long schedule is behind whatever it comes to.

    Args:
        out: the folder.
        config: of the base run.
        space: what is searched.
        seeds: of each trial; the first one is the sampler's as well.
        storage: any URL of Optuna; None for a file in the folder.

    Raises:
        ValueError: Optuna is missing, the storage cannot be used, or the folder holds another
            study.
    """

    def __init__(
        self, out: Path, config: RunConfig, space: Space, seeds: Sequence[int], storage: str | None
    ) -> None:
        require_optuna()
        from optuna import create_study
        from optuna.pruners import MedianPruner

        self.out, self.space, self.seed = out, space, seeds[0]
        self._own = storage is None
        self._locks: dict[int, FileLock] = {}
        record = _record(config, space, seeds)
        try:
            out.mkdir(parents=True, exist_ok=True)
            self.lock = FileLock(out / "tune.lock")
            with self.lock:
                _keep(out / "tune.yaml", record, config)
                self.study: Study = create_study(
                    study_name="tune" if self._own else f"causalogit-{_digest(record)}",
                    storage=_storage(out, storage),
                    direction="maximize",
                    pruner=MedianPruner(n_warmup_steps=config.optimizer.epochs // 2 + 1),
                    load_if_exists=True,
                )
        except OSError as error:
            raise ValueError(f"{out} cannot be written to: {error}") from error

    def take(self, count: int) -> Taken | None:
        """The next trial; None where `count` of them are done or in other hands.

        The draws depend on the seed and the trials before alone: those of a study that was stopped
        are those of one that was not.
        """
        from optuna.samplers import TPESampler

        with self.lock:
            self._revive()
            begun = [trial for trial in self.trials() if _counts(trial)]
            if len(begun) >= count:
                return None
            seed = (1_000_003 * self.seed + len(begun)) % 2**32
            self.study.sampler = TPESampler(seed=seed, constant_liar=True)
            trial = self.study.ask(self.space.distributions())
            number = trial.user_attrs.get("resumes", trial.number)
            lock = self._trial_lock(number)
            lock.acquire(timeout=0)
            self._locks[trial.number] = lock
            return Taken(trial, self._folder(number))

    def complete(self, taken: Taken, values: Sequence[float]) -> None:
        """A trial is done: its value is the mean of these, one a seed."""
        taken.trial.set_user_attr("values", list(values))
        self.study.tell(taken.trial, sum(values) / len(values))
        self._clear(taken)

    def repeat(self, taken: Taken) -> bool:
        """End a trial whose fields a complete one had, as its runs would be the same; whether so.

        The sampler knows nothing of repetitions, and few choices make many.
        """
        for trial in self.trials():
            if trial.state.name == "COMPLETE" and trial.params == taken.trial.params:
                for epoch, value in trial.intermediate_values.items():
                    taken.trial.report(value, epoch)
                self.complete(taken, trial.user_attrs["values"])
                return True
        return False

    def prune(self, taken: Taken, reason: str) -> None:
        """A trial is bad enough to be left as it is; the sampler takes it for worse than others."""
        from optuna.trial import TrialState

        taken.trial.set_user_attr("reason", reason)
        self.study.tell(taken.trial, state=TrialState.PRUNED)
        self._clear(taken)

    def refuse(self, taken: Taken, reason: str) -> None:
        """A trial's values do not fit; the sampler learns nothing from it."""
        from optuna.trial import TrialState

        taken.trial.set_user_attr("reason", reason)
        self.study.tell(taken.trial, state=TrialState.FAIL)
        self._clear(taken)

    def let_go(self, taken: Taken) -> None:
        """Leave a trial to whoever comes next, if it has not ended."""
        lock = self._locks.pop(taken.trial.number, None)
        if lock is not None:
            lock.release()

    def trials(self) -> list[FrozenTrial]:
        """All trials, in the order of their numbers."""
        return self.study.get_trials(deepcopy=False)

    def ended(self) -> list[FrozenTrial]:
        """The trials that ended, well or not, but for those that another one went on with."""
        return [trial for trial in self.trials() if trial.state.is_finished() and _counts(trial)]

    def running(self) -> int:
        """How many trials are in hands, this process's or others'."""
        with self.lock:
            return sum(trial.state.name == "RUNNING" for trial in self.trials())

    def _revive(self) -> None:
        """Give up the trials of processes that ended, and queue their values once more."""
        from optuna.trial import TrialState

        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            number = trial.user_attrs.get("resumes", trial.number)
            if trial.number in self._locks or not self._is_free(number):
                continue
            self.study.tell(trial.number, state=TrialState.FAIL)
            self.study.enqueue_trial(trial.params, user_attrs={"resumes": number})

    def _is_free(self, number: int) -> bool:
        lock = self._trial_lock(number)
        if not self._own and not Path(lock.lock_file).exists():
            return False  # a process that shares the storage alone has it
        try:
            with lock.acquire(timeout=0):
                return True
        except Timeout:
            return False

    def _trial_lock(self, number: int) -> FileLock:
        folder = self._folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / "trial.lock")

    def _folder(self, number: int) -> Path:
        return self.out / "trials" / f"{number:04d}"

    def _clear(self, taken: Taken) -> None:
        """Free the disk of an ended trial's checkpoints; its config and metrics stay."""
        for file in taken.folder.glob("seed-*/*.ckpt"):
            file.unlink()
        self.let_go(taken)


def _counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those asked for: not waiting, nor dead."""
    return trial.state.name in ("RUNNING", "COMPLETE", "PRUNED") or "reason" in trial.user_attrs


def _record(config: RunConfig, space: Space, seeds: Sequence[int]) -> dict[str, Any]:
    return {**config_to_dict(config), "space": space.plain(), "seeds": list(seeds)}


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:12]


def _keep(file: Path, record: dict[str, Any], config: RunConfig) -> None:
    """Write down what is tuned, or hold it against what was.

    Raises:
        ValueError: the folder holds another study.
    """
    if not file.is_file():
        write_text(file, yaml.safe_dump(record, sort_keys=False))
        return
    try:
        kept = dict(yaml.safe_load(file.read_text(encoding="utf-8")))
        others = [kept.pop(name) for name in ("space", "seeds")]
    except (yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file} is damaged ({one_line(error)}): put it right, or choose another folder (--out)"
        ) from error
    # read through the config, so that options younger than the study have their defaults
    if config_from_dict(kept) != config or others != [record["space"], record["seeds"]]:
        raise ValueError(
            f"{file.parent} holds a study of another config, space or seeds: go on with "
            f"--config {file}, or choose another folder (--out)"
        )


def _storage(out: Path, url: str | None) -> BaseStorage:
    from optuna.storages import JournalStorage, get_storage

    from causalogit.tuning.journal import WholeLines

    if url is None:
        file = out / "study.log"
        try:
            return JournalStorage(WholeLines(file))
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(
                f"{file} is damaged ({one_line(error)}): put it right, or choose another folder "
                "(--out)"
            ) from error
    try:
        return get_storage(url)
    except Exception as error:  # of Optuna, SQLAlchemy, a database's driver
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"storage {url} cannot be used ({reason}): give a URL of Optuna"
        ) from error


def require_optuna() -> None:
    """Say what to install.

    Raises:
        ValueError: Optuna is missing.
    """
    if find_spec("optuna") is None:
        raise ValueError("tuning needs Optuna, which is missing: pip install 'causalogit[tune]'")
