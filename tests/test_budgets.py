"""One recipe a budget against every control."""

from __future__ import annotations

from benchmarks import budgets

from tests.test_benchmarks import STUDIES, row


def test_a_recipe_is_held_against_those_that_know_no_more():
    exact = [row(name, 0, 0.5, worst, budget) | {"setting": "0.95"} for name, worst, budget in (
        ("clp_factual", 0.9, "C"), ("erm_factual", 0.88, "C"), ("erm", 0.1, "A"), ("dfr", 0.5, "A"),
        ("erm_meta_augmented", 0.6, "B"), ("group_dro", 0.7, "O"),
    )]  # fmt: skip
    other = [row(name, 0, 0.5, worst, "C") | {"setting": "digits-learned"} for name, worst in (
        ("clp_factual", 0.65), ("erm_factual", 0.2),
    )]  # fmt: skip
    studies = {"digits": exact, "masks": other}
    found = {place.title: place.rows(studies) for place in budgets.places()}
    assert [title for title, rows in found.items() if rows] == [
        "digits, learned masks", "digits, exact masks",
    ]  # fmt: skip
    placed = [(place, rows) for place in budgets.places() if (rows := place.rows(studies))]
    learned, all_masks = budgets.summary_markdown(placed).splitlines()[2:]
    # with learned masks the augmentation's 0.88 from exact ones is out of the race
    assert (
        "`clp_factual` 65.0 | 10.0 | `erm_meta_augmented` 60.0 | +5.0 | `group_dro` 70.0" in learned
    )
    assert "`erm_factual` 88.0 | +2.0 | `group_dro` 70.0 | +20.0" in all_masks
    assert "`erm_factual`" not in budgets.differences(placed).split("###")[1]


def test_budgets_look_at_the_epoch_of_the_best_worst_group_too():
    def selected(name, last, best, budget):
        chosen = {"accuracy/worst_group": {"accuracy/worst_group": best, "accuracy/test_mean": 0.5}}
        return row(name, 0, 0.5, last, budget) | {"setting": "0.95", "selections": chosen}

    rows = [
        selected("clp_factual", 0.9, 0.85, "C"), selected("erm", 0.1, 0.2, "A"),
        selected("group_dro", 0.4, 0.6, "O"),
    ]  # fmt: skip
    place = next(place for place in budgets.places() if place.title == "digits, exact masks")
    own = place.rows({"digits": rows})
    placed = [(place, own)]
    assert "`group_dro` 40.0 | +50.0" in budgets.summary_markdown(placed)
    later = budgets.summary_markdown([(place, budgets.by_worst_group(own))])
    assert "`clp_factual` 85.0 | 20.0 | `erm` 20.0 | +65.0 | `group_dro` 60.0 | +25.0" in later


def test_shortfalls_say_where_a_choice_costs_most_and_leave_oracles_out():
    def setting(name, figures):
        return [
            row(method, seed, 0.5, worst - 0.1 * seed, budget) | {"setting": name}
            for method, budget, worst in figures
            for seed in (0, 1)
        ]

    studies = {
        "digits": setting("0.95", (
            ("clp_factual", "C", 0.88), ("erm_factual", "C", 0.9), ("erm", "A", 0.1),
            ("group_dro", "O", 0.99),
        )),
        "masks": setting("digits-box", (
            ("clp_factual", "C", 0.7), ("erm_factual", "C", 0.2), ("dfr", "A", 0.6),
        )),
    }  # fmt: skip
    placed = [(place, rows) for place in budgets.places() if (rows := place.rows(studies))]
    lines = budgets.shortfalls_markdown(placed, "C").splitlines()[2:]
    assert lines == [
        "| `clp_factual` | 2 of 2 | -2.0 [-2.0, -2.0] | digits, exact masks |",
        "| `erm_factual` | 2 of 2 | -50.0 [-50.0, -50.0] | digits, boxes |",
        "| `erm` | 2 of 2 | -80.0 [-80.0, -80.0] | digits, exact masks |",
    ]


def test_every_place_of_the_budgets_is_run_by_a_study():
    for place in budgets.places():
        for study, setting in filter(None, (place.source, place.masked)):
            assert setting in STUDIES[study].settings
        study, setting = place.masked or place.source
        assert place.recipe in [line.name for line in STUDIES[study].lines(setting=setting)]
