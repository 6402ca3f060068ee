"""One recipe a budget against every control that knows no more: the figures of all other pages.

    python -m benchmarks.budgets

Trains nothing: reads the results.json of the studies named below, pairs by seed, and writes
docs/results/budgets and the table in README.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from benchmarks.page import Rows, differences_markdown, fill_tables, interval, markdown, write_page
from benchmarks.study import ROOT
from causalogit.cli.tables import by_method, spread

PAGE = ROOT / "docs" / "results" / "budgets"
MASKED = (
    "clp_factual", "erm_factual", "erm_factual_meta", "erm_factual_meta_augmented",
    "erm_counterfactual", "erm_factual_counterfactual", "product_of_experts",
)  # fmt: skip
"""Methods that see the masks of training images: theirs differ with the kind of masks."""

METRICS = {"accuracy/test_mean": "average", "accuracy/worst_group": "worst group"}

METRIC = "accuracy/worst_group"
"""By which lines on spurious backgrounds are told apart."""

Source = tuple[str, str]
"""A study and a setting of it."""


@dataclass(frozen=True)
class Place:
    """A set on which a recipe is held against its controls.

    Attributes:
        title: of the set and its masks.
        budget: of the recipe.
        recipe: its method.
        source: where methods that see no mask of a training image stand.
        masked: where those that do stand, if they count in this budget at all.
        metric: that is compared.
    """

    title: str
    budget: str
    recipe: str
    source: Source
    masked: Source | None = None
    metric: str = METRIC

    def rows(self, studies: Mapping[str, Rows]) -> list[dict[str, Any]]:
        """The recipe and all controls that know no more, and the oracles of budget O."""
        found = [r for r in _of(studies, self.source) if r["method"] not in MASKED]
        if self.masked is not None:
            found += [r for r in _of(studies, self.masked) if r["method"] in MASKED]
        allowed = "OABC"[: "OABC".index(self.budget) + 1]
        ours = [r | {"budget": self.budget} for r in found if r["method"] == self.recipe]
        others = [r for r in found if r["method"] != self.recipe and r["budget"] in allowed]
        return [*others, *ours] if ours else []


def _of(studies: Mapping[str, Rows], source: Source) -> list[dict[str, Any]]:
    study, setting = source
    return [dict(row) for row in studies.get(study, ()) if row["setting"] == setting]


SPURIOUS: dict[str, Source] = {
    "digits": ("digits", "0.95"),
    "wear": ("wear", "0.95"),
    "pets": ("pets", "0.90"),
}
LABELS: dict[str, Source] = {
    "CIFAR-10-LT, 100:1": ("long_tail", "100:1"),
    "CIFAR-10-LT, 10:1": ("long_tail", "10:1"),
    "CIFAR-10, flip 40": ("noise", "cifar10-flip-40"),
    "CIFAR-10, uniform 60": ("noise", "cifar10-uniform-60"),
    "Fashion-MNIST, flip 40": ("noise", "fashion-flip-40"),
    "Fashion-MNIST, uniform 60": ("noise", "fashion-uniform-60"),
}


def places() -> Iterator[Place]:
    """All of them, by budget."""
    for title, source in LABELS.items():
        yield Place(title, "A", "clp_adjusted", source, metric="accuracy/test_mean")
    for title, source in SPURIOUS.items():
        learned = ("masks", f"{title}-learned")
        yield Place(f"{title}, learned masks", "B", "clp_factual", source, learned)
    for title, source in SPURIOUS.items():
        yield Place(f"{title}, exact masks", "C", "clp_factual", source, source)
        kinds = {"box": "boxes"} | ({"u2netp": "U2-Net-p"} if title == "pets" else {})
        for kind, told in kinds.items():
            masked = ("masks", f"{title}-{kind}")
            yield Place(f"{title}, {told}", "C", "clp_factual", source, masked)


def summary_markdown(placed: Sequence[tuple[Place, Rows]]) -> str:
    """A line a place: the recipe, the best control that knows no more, the best that knows groups.

    Pairs are of one seed; intervals are 95 % t-intervals.
    """
    head = ["budget", "set", "recipe", "ERM", "best control", "recipe minus it"]
    head += ["best told the groups", "recipe minus it"]
    lines = [head, ["---"] * len(head)]
    for place, rows in placed:
        lines_by_name = by_method(rows)
        ours = lines_by_name.pop(place.recipe)
        rivals = {name: own for name, own in lines_by_name.items() if own[0]["budget"] != "O"}
        oracles = {name: own for name, own in lines_by_name.items() if name not in rivals}
        lines.append(
            [
                place.budget,
                place.title,
                f"`{place.recipe}` {spread(_values(ours, place.metric))}",
                spread(_values(lines_by_name["erm"], place.metric)),
                *_best(ours, rivals, place.metric),
                *_best(ours, oracles, place.metric),
            ]
        )
    return markdown(lines)


def _best(ours: Rows, lines: Mapping[str, Rows], metric: str) -> tuple[str, str]:
    """The best of the lines, and how far ours are ahead of it; dashes where there is none."""
    if not lines:
        return "\N{EN DASH}", "\N{EN DASH}"
    best = _strongest(lines, metric)
    points = ahead(ours, lines[best], metric)
    return f"`{best}` {spread(_values(lines[best], metric))}", interval(points)


def _strongest(lines: Mapping[str, Rows], metric: str) -> str:
    return max(lines, key=lambda name: mean(_values(lines[name], metric)))


def ahead(ours: Rows, others: Rows, metric: str) -> list[float]:
    """Points, of the seeds that both have."""
    paired = {row["seed"]: row["last"][metric] for row in others}
    return [
        100 * (row["last"][metric] - paired[row["seed"]]) for row in ours if row["seed"] in paired
    ]


def shortfalls_markdown(placed: Sequence[tuple[Place, Rows]], budget: str) -> str:
    """How far each line of a budget falls behind the best of a set, where that is furthest.

    What choosing it costs who cannot know which will be best: its largest regret. Lines that know
    groups are left out, on both sides. A line of some sets alone may fall further on the others.
    """
    found: dict[str, list[tuple[float, str, str]]] = {}
    own_places = [(place, rows) for place, rows in placed if place.budget == budget]
    for place, rows in own_places:
        lines = by_method([row for row in rows if row["budget"] != "O"])
        best = lines[_strongest(lines, place.metric)]
        for name, own in lines.items():
            points = ahead(own, best, place.metric)
            cell = interval(points) if own is not best else "0"
            found.setdefault(name, []).append((mean(points), cell, place.title))
    head = ["method", "sets", "behind the best, where it is furthest", "there"]
    table = [head, ["---"] * len(head)]
    for name, points_by_set in sorted(found.items(), key=lambda item: -min(item[1])[0]):
        _, cell, title = min(points_by_set)
        table.append([f"`{name}`", f"{len(points_by_set)} of {len(own_places)}", cell, title])
    return markdown(table)


def by_worst_group(rows: Rows) -> list[dict[str, Any]]:
    """The rows, with the epoch of the best worst group on validation for the last one.

    GroupDRO and JTT are defined with such a selection (arXiv 1911.08731, 2107.09044).
    """
    return [{**row, "last": row["selections"][METRIC]} for row in rows]


def _values(rows: Rows, metric: str) -> list[float]:
    return [row["last"][metric] for row in rows]


def differences(placed: Sequence[tuple[Place, Rows]]) -> str:
    """Of every place, the recipe minus every control, paired by seed."""
    parts = []
    for place, rows in placed:
        own = {name: METRICS[name] for name in dict.fromkeys(("accuracy/test_mean", place.metric))}
        table = differences_markdown(rows, place.recipe, own)
        parts.append(f"### {place.budget}: {place.title}\n\n{table}")
    return "\n".join(parts)


def slim(place: Place, row: Mapping[str, Any]) -> dict[str, Any]:
    """What was compared of a row; the whole of it is in the results.json of its own study."""
    own = ("method", "variant", "seed", "setting", "revision")
    kept = {name: row[name] for name in own if name in row}
    return {
        "place": place.title,
        "budget": place.budget,
        **kept,
        "value": row["last"][place.metric],
        "selected": row["selections"].get(place.metric, {}).get(place.metric),
    }


def read_studies() -> dict[str, Rows]:
    """The rows of every study that a place names, as far as they have been written."""
    names = {source[0] for place in places() for source in (place.source, place.masked) if source}
    files = {name: ROOT / "docs" / "results" / name / "results.json" for name in names}
    return {
        name: json.loads(file.read_text())["runs"] for name, file in files.items() if file.is_file()
    }


def main() -> None:
    """Write the page, and its first table into README."""
    studies = read_studies()
    placed = [(place, rows) for place in places() if (rows := place.rows(studies))]
    kept = [slim(place, row) for place, rows in placed for row in rows]
    selected = [(place, by_worst_group(rows)) for place, rows in placed if place.metric == METRIC]
    tables = {
        "summary": summary_markdown(placed),
        "selected": summary_markdown(selected),
        **{f"shortfalls {budget}": shortfalls_markdown(placed, budget) for budget in "ABC"},
        "shortfalls C selected": shortfalls_markdown(selected, "C"),
        "differences": differences(placed),
    }
    write_page(PAGE, kept, tables)
    fill_tables(ROOT / "README.md", {"summary": tables["summary"]})


if __name__ == "__main__":
    main()
