r"""The recipe of budget C against the best control of each set again, on seeds that chose neither.

    python -m benchmarks.replication --settings digits-exact digits-box
    python -m benchmarks.replication --path FASHION --settings wear-exact wear-box
    python -m benchmarks.replication --path PETS --weights LITE0.safetensors \
        --settings pets-exact pets-box
    python -m benchmarks.replication --path PETS --weights LITE0.safetensors --masks FOUND \
        --settings pets-u2netp

Seeds 5 to 9 of the sets of benchmarks.budgets, which takes the best of all controls after the fact
from seeds 0 to 4; FASHION, PETS, LITE0 and FOUND as for benchmarks.masks. Keeps its runs in
runs/replication, writes docs/results/replication.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks import digits, masks, pets, wear
from benchmarks.budgets import METRIC, Place, ahead, by_worst_group, places, read_studies
from benchmarks.page import Rows, fill_tables, interval, markdown
from benchmarks.study import ROOT, Study, main
from causalogit.cli.tables import by_method

STUDIES = {study.name: study for study in (digits.STUDY, wear.STUDY, pets.STUDY, masks.STUDY)}

RIVALS = {
    "digits-exact": ("digits, exact masks", "erm_factual_meta_augmented"),
    "digits-box": ("digits, boxes", "product_of_experts-alpha-0.9,-paced"),
    "wear-exact": ("wear, exact masks", "erm_factual_meta"),
    "wear-box": ("wear, boxes", "dfr_augmented"),
    "pets-exact": ("pets, exact masks", "erm_factual_meta_augmented"),
    "pets-box": ("pets, boxes", "erm_factual_meta_augmented"),
    "pets-u2netp": ("pets, U2-Net-p", "erm_factual_meta_augmented"),
}
"""Title of each place of budget C in benchmarks.budgets, and its best control on seeds 0 to 4."""

PLACES = {place.title: place for place in places() if place.budget == "C"}


def _setting(place: Place) -> tuple[str, str]:
    return place.masked or place.source


STUDY = Study(
    name="replication",
    settings={
        name: STUDIES[study].settings[setting]
        for name, (title, _) in RIVALS.items()
        for study, setting in (_setting(PLACES[title]),)
    },
    methods=("erm_factual_meta", "erm_factual_meta_augmented", "dfr_augmented", "clp_factual"),
    variants=digits.PRODUCTS,
    metrics=digits.STUDY.metrics,
    against=("clp_factual",),
    seeds=(5, 6, 7, 8, 9),
    lines_of={name: ("clp_factual", control) for name, (_, control) in RIVALS.items()},
)


def summary_markdown(rows: Rows, studies: Mapping[str, Rows]) -> str:
    """The recipe minus the control in the worst group: on the first seeds, on these, on all.

    Args:
        rows: of this study.
        studies: rows of those that the seeds 0 to 4 stand in.
    """
    kinds = ("seeds 0 to 4", "seeds 5 to 9", "all ten")
    head = ["set", "control", *kinds, *(f"selected: {kind}" for kind in kinds)]
    lines = [head, ["---"] * len(head)]
    for setting, (title, _) in RIVALS.items():
        new = [row for row in rows if row["setting"] == setting]
        controls = set(by_method(new)) - {"clp_factual"}
        if not controls:
            continue
        (control,) = controls
        old = PLACES[title].rows(studies)
        cells = []
        for pair in ((old, new), (by_worst_group(old), by_worst_group(new))):
            first, fresh = (_ahead_of(control, own) for own in pair)
            cells += [interval(points) for points in (first, fresh, first + fresh)]
        lines.append([title, f"`{control}`", *cells])
    return markdown(lines)


def _ahead_of(control: str, rows: Rows) -> list[float]:
    lines = by_method(rows)
    return ahead(lines["clp_factual"], lines[control], METRIC)


if __name__ == "__main__":
    found = main(STUDY, __doc__)
    page = ROOT / "docs" / "results" / STUDY.name / "README.md"
    fill_tables(page, {"summary": summary_markdown(found, read_studies())})
