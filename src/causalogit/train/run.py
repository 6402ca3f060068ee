"""A run by its config and folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from causalogit.config import RunConfig
from causalogit.core import processes
from causalogit.memory import out_of_memory_told
from causalogit.train.folder import RunFolder
from causalogit.train.loop import OnEpoch, OnStep, Trainer
from causalogit.train.together import check_seen_by_all, from_first, started_together


def train(
    config: RunConfig, out: Path, *, resume: bool = False, on_step: OnStep | None = None
) -> dict[str, Any]:
    """Train one method; see `Trainer`.

    Args:
        config: what to run.
        out: the run's folder, made if missing.
        resume: go on with the run that the folder holds; a finished one is returned as it is.
        on_step: called after every training step.

    Returns:
        The run's row of `results.json`.

    Raises:
        ValueError: the folder holds a run and `resume` is off, or the config is wrong.
        Divergence: training left the numbers.
        torch.OutOfMemoryError: a GPU or the machine has no more memory.
    """
    folder = RunFolder(out)
    finished = folder.finished(config, resume)
    if finished is not None and started_together() == 1:
        return finished
    trainer = Trainer(config, folder)  # a wrong config leaves no folder behind
    _check_seen_by_all(folder)
    if finished is not None:
        return finished
    _begin(folder, config, resume)
    with folder, out_of_memory_told():
        return trainer.run(on_step)


def _check_seen_by_all(folder: RunFolder) -> None:
    """Refuse a folder in which not every process sees the run that another one sees."""
    files = (folder.config, folder.state, folder.results)
    seen = ", ".join(file.name for file in files if file.is_file())
    check_seen_by_all(f"the run in {folder.path}", seen or "nothing")


def _begin(folder: RunFolder, config: RunConfig, resume: bool) -> None:
    """Let the first process begin the folder, and all hear why it could not."""
    refusal: Exception | None = None
    if processes.rank() == 0:
        try:
            folder.begin(config, resume=resume)
        except (ValueError, OSError) as error:
            refusal = error
    refusal = from_first(refusal)
    if refusal is not None:
        raise refusal


def validate(
    config: RunConfig,
    out: Path,
    *,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
) -> dict[str, float]:
    """Train one method without a test, or go on with what the folder holds of it.

    Args:
        config: what to run.
        out: the run's folder, made if missing.
        on_step: called after every training step.
        on_epoch: called after every epoch; see `Trainer.validate`.

    Returns:
        Validation metrics of the selected epoch.

    Raises:
        ValueError: the folder holds a run of another config, or the config is wrong.
        Divergence: training left the numbers.
        torch.OutOfMemoryError: a GPU or the machine has no more memory.
    """
    folder = RunFolder(out)
    folder.finished(config, resume=True)
    trainer = Trainer(config, folder)
    _check_seen_by_all(folder)
    _begin(folder, config, resume=True)
    with folder, out_of_memory_told():
        return trainer.validate(on_step, on_epoch)
