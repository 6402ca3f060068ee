"""The command `fix`: audit, train, audit again; then a table, one sentence, and the files."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from causalogit.auditing import Estimate
from causalogit.cli.progress import run_bars
from causalogit.fixing import Change, FixConfig, Fixed
from causalogit.fixing import fix as run_fix
from causalogit.train.begin import find_device


def fix(config: FixConfig, classifier: str, out: str) -> None:
    """Train a classifier further until it goes by the object, and show it before and after.

    CLASSIFIER is named as for `causalogit audit`: a checkpoint of a run (then the photos are its
    own, unless data.source names others), weights of timm or torchvision (with
    model.architecture), or module:function. Its photos need masks or boxes, or a segmenter. It is
    measured on photos that its training here does not see. Writes fix.html, fix.json, the new
    weights under the names that the old ones had (model.safetensors, model.json), and the folders
    before, run and after. A fix that was stopped goes on where it was.
    """
    folder = Path(out)
    with run_bars("photos") as bars:
        fixed = run_fix(config, classifier, folder, device=find_device(config.device), on_step=bars)
    show(fixed, folder, Console())


def show(fixed: Fixed, folder: Path, console: Console) -> None:
    """Print the table, where the files are, and what the figures carry."""
    console.print(changes_table(fixed))
    if fixed.masks.unfound:
        console.print(
            f"[yellow]Caution:[/yellow] the segmenter found no object in {fixed.masks.unfound} of "
            f"{fixed.masks.made} photos; these were used as they are"
        )
    for caution in fixed.cautions:
        console.print(f"[yellow]Caution:[/yellow] {escape(caution)}")
    console.print(f"model: {folder / 'model.safetensors'}", markup=False, soft_wrap=True)
    console.print(f"page:  {folder / 'fix.html'}", markup=False, soft_wrap=True)
    console.print(f"\n[bold]{escape(fixed.outcome.headline)}[/bold]", soft_wrap=True)
    if fixed.outcome.last != fixed.outcome.headline:
        console.print(escape(fixed.outcome.last), soft_wrap=True)


def changes_table(fixed: Fixed) -> Table:
    """Accuracy, reliance and worst group, before and after, in per cent with 95 % intervals."""
    table = Table(
        title=f"{escape(fixed.classifier)} on {escape(fixed.data)}: {fixed.photos:,} photos, %",
        caption=f"Trained further by {escape(fixed.title)}, {fixed.epochs} epoch"
        f"{'s' * (fixed.epochs != 1)}. In brackets: "
        "95% intervals. Turn: answers that turn with the background alone.",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("")
    for name in ("before", "after", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("named right, as is", *_cells(fixed.accuracy))
    if fixed.gap is not None:
        gap = fixed.gap
        for when, group in (("before", gap.worst_before), ("now", gap.worst_after)):
            if when == "before" or group != gap.worst_before:
                name = f"worst group {when}: {group.label}, {group.background}"
                table.add_row(escape(name), *_cells(group.accuracy))
    if fixed.reliance is not None:
        table.add_row("turn", *_cells(fixed.reliance))
    return table


def _cells(change: Change) -> list[str]:
    return [_told(change.before), _told(change.after), _told(change.difference, "+")]


def _told(estimate: Estimate, sign: str = "") -> str:
    value, low, high = (
        f"{round(100 * v):{sign}d}" for v in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} ({low} to {high})"
