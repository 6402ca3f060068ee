"""The close calls of the budgets on fresh seeds."""

from __future__ import annotations

from benchmarks import budgets, replication

from tests.test_benchmarks import row


def with_selection(method, seed, setting, worst):
    own = row(method, seed, 0.5, worst) | {"setting": setting}
    at_best = {"accuracy/worst_group": worst + 0.1 * (method == "clp_factual")}
    return own | {"selections": {"accuracy/worst_group": at_best}}


def test_the_sets_and_the_recipe_are_those_of_the_budgets():
    placed = {place.title: place for place in budgets.places() if place.budget == "C"}
    assert set(placed) == {title for title, _ in replication.RIVALS.values()}
    for name, config in replication.STUDY.settings.items():
        study, setting = placed[replication.RIVALS[name][0]].masked
        assert config == replication.STUDIES[study].settings[setting]
        ours, control = sorted(
            replication.STUDY.lines(setting=name), key=lambda line: line.method != "clp_factual"
        )
        theirs = {line.name: line for line in replication.STUDIES[study].lines()} | {
            line.name: line for line in replication.digits.STUDY.lines()
        }
        for line in (ours, control):
            assert line.change(config) == theirs[line.name].change(config)
    assert set(replication.STUDY.seeds).isdisjoint({*range(5), *range(10, 15)})


def test_the_summary_has_the_first_seeds_the_fresh_ones_and_all():
    def pair(setting, seeds, ours, theirs):
        return [
            with_selection(method, seed, setting, worst)
            for method, worst in (("clp_factual", ours), ("erm_factual_meta_augmented", theirs))
            for seed in seeds
        ]

    studies = {"digits": pair("0.95", (0, 1), 0.80, 0.85)}
    fresh = pair("digits-exact", (5, 6), 0.84, 0.81)
    assert replication.summary_markdown(fresh[:2], studies).count("\n") == 2  # the control to come
    line = replication.summary_markdown(fresh, studies).splitlines()[2]
    means = [cell.split()[0] for cell in line.strip("| ").split(" | ")[2:]]
    assert means == ["-5.0", "+3.0", "-1.0", "+5.0", "+13.0", "+9.0"]
    # four pairs at -5, -5, 3, 3: a t-interval of three degrees of freedom, not a mean of two
    assert "-1.0 [-8.3, +6.3]" in line
