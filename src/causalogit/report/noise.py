"""Wrong labels: what tells them from right ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from causalogit.report.figures.draw import Panel
from causalogit.report.figures.noise import noise_panel
from causalogit.report.lineup import Entry
from causalogit.report.measures import Spread


@dataclass(frozen=True)
class NoiseRow:
    """Areas under the ROC curve of one method; None where it was not measured."""

    entry: Entry
    by_delta: Spread | None
    by_loss: Spread | None


def noise_rows(entries: Sequence[Entry]) -> list[NoiseRow]:
    """A row a method; empty where no run has measured anything."""
    rows = [NoiseRow(entry, _area(entry, "auroc"), _area(entry, "auroc_loss")) for entry in entries]
    return rows if any(row.by_delta or row.by_loss for row in rows) else []


def what_tells(entries: Sequence[Entry]) -> str:
    """What may tell wrong labels besides the loss: "delta", "weight", both, or nothing."""
    weighted = [entry.form == "weight" for entry in entries if entry.form is not None]
    found = ["delta"] if not all(weighted) else []
    return " or ".join([*found, "weight"] if any(weighted) else found)


def noise_panels(entries: Sequence[Entry]) -> list[Panel]:
    """What delta or weight holds against labels, one panel a method that has it, its first run."""
    panels = []
    for entry in entries:
        given = entry.runs[0].perturbations
        if given is None or given.true_labels is None:
            continue
        wrong = given.true_labels != given.labels
        if wrong.any() and not wrong.all():
            note = f"seed {entry.runs[0].config.seed}, after the last epoch"
            weighted = entry.form == "weight"
            panels.append(noise_panel(entry.title, given.suspicion, wrong, note, weighted))
    return panels


def _area(entry: Entry, name: str) -> Spread | None:
    found = [run.row.get("noise", {}).get(name) for run in entry.runs]
    values = [value for value in found if value is not None]
    return Spread.of(values) if values else None
