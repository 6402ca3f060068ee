"""The command `tune`: a search on validation data; then the best trials, and the best config."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from causalogit.cli.progress import run_bars
from causalogit.config import RunConfig
from causalogit.tuning import Tuned
from causalogit.tuning import tune as run_tuning
from causalogit.tuning.study import require_optuna

_SHOWN = 10


def tune(
    config: RunConfig,
    space: str | dict[str, Any],
    trials: int,
    seeds: Sequence[int],
    storage: str | None,
    prune: bool,
    out: str,
) -> None:
    """Search for the best values of any fields of the config, on validation data alone.

    A trial's value is the validation metric select_by, as the mean over --seeds. All runs, and
    those of the best config, have one split (data.seed; by default the first seed's), so that no
    model of the search has seen what the best is tested on. OUT gets best.yaml, a config for
    `causalogit train` and `compare`, trials.csv, and the trials' configs and metrics. A search that
    was stopped goes on with the same command, and the same command in several terminals shares the
    trials.
    """
    require_optuna()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with run_bars(shown=3) as bars:
        tuned = run_tuning(
            config,
            space,
            Path(out),
            trials=trials,
            seeds=seeds,
            storage=storage,
            prune=prune,
            on_progress=bars,
        )
    show(tuned, Path(out), Console())


def show(tuned: Tuned, folder: Path, console: Console) -> None:
    """Print the best trials, which fields mattered, and how to train with the best config."""
    console.print(trials_table(tuned))
    if tuned.running:
        console.print(f"{tuned.running} more trials are still made by other processes")
    refused = (trial.reason for trial in tuned.trials if trial.state == "refused")
    for reason in dict.fromkeys(refused):
        console.print(f"[yellow]Caution:[/yellow] refused: {escape(reason)}")
    if tuned.importances:
        shares = ", ".join(f"{name} {100 * own:.0f} %" for name, own in tuned.importances.items())
        console.print(f"what mattered: {shares}", markup=False, soft_wrap=True)
    console.print(f"all trials:    {folder / 'trials.csv'}", markup=False, soft_wrap=True)
    seed = max(tuned.seeds) + 1
    words = ["causalogit", "train", "--config", str(tuned.file), "--seed", str(seed)]
    words += ["--out", str(folder / "best" / f"seed-{seed}")]
    console.print(
        f"train the best with another seed: {shlex.join(words)}", markup=False, soft_wrap=True
    )


def trials_table(tuned: Tuned) -> Table:
    """The best trials with the values of their fields, the best one first."""
    states = [trial.state for trial in tuned.trials]
    counts = ", ".join(f"{states.count(name)} {name}" for name in dict.fromkeys(sorted(states)))
    several = f", mean of {len(tuned.seeds)} seeds" if len(tuned.seeds) > 1 else ""
    table = Table(
        title=f"{escape(tuned.config.method)}: validation {tuned.config.select_by}, %{several}",
        caption=f"{counts}. The best of many trials is flattered by its validation images: only "
        "the test of a new run says how good it is.",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("trial", justify="right")
    table.add_column("%", justify="right", no_wrap=True)
    for name in tuned.best.fields:
        table.add_column(escape(name.replace(".", ".\n")), justify="right")
    complete = [trial for trial in tuned.trials if trial.value is not None]
    best = sorted(complete, key=lambda trial: (-(trial.value or 0), trial.number))
    for trial in best[:_SHOWN]:
        fields = [escape(_shown(value)) for value in trial.fields.values()]
        table.add_row(str(trial.number), f"{100 * (trial.value or 0):.1f}", *fields)
    return table


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
