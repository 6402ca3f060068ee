"""The tables of docs/results are computed as they say."""

from __future__ import annotations

import json
import math

import pytest
from benchmarks.ablation import ablation_markdown, variants
from benchmarks.page import differences_markdown, results_markdown, write_page
from benchmarks.recipe import candidates

from causalogit.core import GROUPS, THE_TEN
from causalogit.methods.clp import choose_characteristics


def row(method, seed, average, worst, budget="C"):
    metrics = {
        "accuracy/test_mean": average,
        "accuracy/worst_group": worst,
        "accuracy/train_weighted": average,
        "accuracy/worst_class": worst,
    }
    return {
        "method": method, "title": method.upper(), "budget": budget, "seed": seed,
        "last": metrics, "selected": metrics, "seconds": 1.0, "dataset": "d",
    }  # fmt: skip


ROWS = [
    row("clp", 0, 0.90, 0.80), row("clp", 1, 0.92, 0.84), row("clp", 2, 0.94, 0.82),
    row("erm", 0, 0.89, 0.70, "A"), row("erm", 1, 0.89, 0.74, "A"), row("erm", 2, 0.92, 0.72, "A"),
]  # fmt: skip


def test_differences_are_paired_by_seed_with_a_t_interval():
    shuffled = [ROWS[i] for i in (2, 0, 1, 5, 3, 4)]
    table = differences_markdown(shuffled, "clp")
    # differences of the average: 1, 3, 2 points; t(0.975, 2) = 4.303
    half = 4.302653 * 1.0 / math.sqrt(3)
    assert f"| +2.0 [{2 - half:+.1f}, {2 + half:+.1f}] |" in table
    assert "| +10.0 [+10.0, +10.0] |" in table


def test_results_table_has_mean_and_spread():
    table = results_markdown(ROWS)
    assert "| A | ERM (`erm`) | 90.0 ± 1.7 |" in table
    assert table.index("ERM") < table.index("CLP")


def test_columns_are_a_choice():
    tail = {"accuracy/few": "few", "accuracy/test_mean": "average"}
    rows = [r | {"last": r["last"] | {"accuracy/few": 0.125}} for r in ROWS[:1]] + ROWS[3:]
    table = results_markdown(rows, tail, {"accuracy/worst_class": "worst class"})
    head, _, erm, clp = table.splitlines()
    assert head == (
        "| budget | method | last: few | last: average | selected: worst class | seconds |"
    )
    assert clp.startswith("| C | CLP (`clp`) | 12.5 | 90.0 | 80.0 |")
    assert erm.startswith("| A | ERM (`erm`) | \N{EN DASH} | 90.0 ± 1.7 |")
    paired = differences_markdown(ROWS, "clp", metrics={"accuracy/worst_class": "worst class"})
    assert paired.splitlines()[0] == "| budget | `clp` minus | worst class |"
    assert "[+10.0, +10.0]" in paired


def test_page_keeps_its_words_and_refuses_a_page_without_a_place(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- t -->\nold\n<!-- /t -->\nafter\n")
    write_page(tmp_path, ROWS, {"t": "| new |\n"})
    assert page.read_text() == "before\n<!-- t -->\n| new |\n<!-- /t -->\nafter\n"
    assert json.loads((tmp_path / "results.json").read_text()) == {"runs": ROWS}
    with pytest.raises(ValueError, match="no place for the table: <!-- u -->"):
        write_page(tmp_path, ROWS, {"u": ""})


def test_ablation_leaves_out_each_and_every_group():
    chosen = {name: choose_characteristics(config) for name, config in variants()}
    assert chosen["all ten"] == THE_TEN
    for name in THE_TEN:
        assert set(THE_TEN) - set(chosen[f"without {name}"]) == {name}
    for group, members in GROUPS.items():
        assert set(THE_TEN) - set(chosen[f"without {group}"]) == set(members)
    rows = [r | {"variant": "all ten"} for r in ROWS[:3]]
    rows += [r | {"variant": "without loss"} for r in ROWS[3:]]
    assert "| without loss | 90.0 ± 1.7 | 72.0 ± 2.0 | -2.0 |" in ablation_markdown(rows)


def test_recipe_candidates_are_chosen_without_the_reported_seeds():
    configs = candidates()
    assert len({json.dumps(str(c)) for c in configs.values()}) == len(configs)
    assert all(c.data.test_size == 25 for c in configs.values())
