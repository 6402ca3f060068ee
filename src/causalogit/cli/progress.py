"""Progress bars with rate and remaining time, one a run or a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None:
            return Text("")
        return Text(f"{speed:.{0 if speed >= 10 else 1}f} {self.unit}/s")


@contextmanager
def run_bars(
    unit: str = "steps", shown: int | None = None
) -> Iterator[Callable[[str, int, int], None]]:
    """Yields `show(run, steps done, steps in all)`; a run's bar appears with its first step.

    `unit` names what is counted, where it is not steps; `shown` is how many of the last bars stay.
    """
    bars: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:

        def show(run: str, done: int, total: int) -> None:
            if run not in bars:
                bars[run] = progress.add_task(run, total=total)
                for past in progress.tasks[:-shown] if shown else ():
                    past.visible = False
            progress.update(bars[run], completed=done)

        yield show
