"""The tables of docs/results are computed as they say."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks import (
    ablation,
    attributes,
    digits,
    fills,
    fix,
    glt,
    long_tail,
    masks,
    meta,
    noise,
    pets,
    recipe,
    recipe_labels,
    replication,
    scale,
    schemes,
    strength,
    together,
    wear,
)
from benchmarks.page import (
    differences_markdown,
    draw_curves,
    results_markdown,
    separation_markdown,
    write_page,
)
from benchmarks.reliance import PAGE, ranks_markdown, reliance_markdown
from benchmarks.study import ROOT, jobs_of, measured, named, tables_of, with_others

from causalogit.config import DataConfig, MetaConfig, OptimizerConfig, RunConfig
from causalogit.core import CAUSAL, GROUPS, THE_TEN
from causalogit.methods import find_method
from causalogit.methods.clp import choose_characteristics
from causalogit.train import train
from causalogit.train.folder import RunFolder
from causalogit.train.load import load_model, read_history


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


TITLES = {"accuracy/test_mean": "average", "accuracy/worst_group": "worst group"}


def test_differences_are_paired_by_seed_with_a_t_interval():
    shuffled = [ROWS[i] for i in (2, 0, 1, 5, 3, 4)]
    table = differences_markdown(shuffled, "clp", TITLES)
    # differences of the average: 1, 3, 2 points; t(0.975, 2) = 4.303
    half = 4.302653 * 1.0 / math.sqrt(3)
    assert f"| +2.0 [{2 - half:+.1f}, {2 + half:+.1f}] |" in table
    assert "| +10.0 [+10.0, +10.0] |" in table


def test_results_table_has_mean_and_spread():
    table = results_markdown(ROWS, TITLES)
    assert "| A | ERM (`erm`) | 90.0 ± 1.7 |" in table
    assert table.index("ERM") < table.index("CLP")


def test_columns_are_a_choice():
    tail = {"accuracy/few": "few", "accuracy/test_mean": "average"}
    rows = [r | {"last": r["last"] | {"accuracy/few": 0.125}} for r in ROWS[:1]] + ROWS[3:]
    head, _, erm, clp = results_markdown(rows, tail).splitlines()
    columns = "last: few | last: average | selected: few | selected: average"
    assert head == f"| budget | method | {columns} | seconds |"
    assert clp.startswith("| C | CLP (`clp`) | 12.5 | 90.0 | \N{EN DASH} | 90.0 |")
    assert erm.startswith("| A | ERM (`erm`) | \N{EN DASH} | 90.0 ± 1.7 |")
    paired = differences_markdown(ROWS, "clp", {"accuracy/worst_class": "worst class"})
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
    chosen = {name: choose_characteristics(config) for name, config in ablation.choices()}
    for name in THE_TEN:
        assert set(THE_TEN) - set(chosen[f"without {name}"]) == {name}
    for group, members in GROUPS.items():
        assert set(THE_TEN) - set(chosen[f"without {group}"]) == set(members)
    assert chosen["with the causal ones"] == (*THE_TEN, *CAUSAL)


@pytest.mark.parametrize("study", [recipe.STUDY, recipe_labels.STUDY], ids=lambda s: s.name)
def test_recipes_are_chosen_on_validation_images_without_the_reported_seeds(study):
    assert study.judged_on == "validation"
    assert set(study.seeds).isdisjoint(digits.STUDY.seeds)
    assert all(name.startswith("validation/") for name in study.metrics)


ROOMS = (
    ablation, attributes, digits, glt, long_tail, masks, meta, noise, pets, recipe, recipe_labels,
    replication, schemes, strength, together, wear,
)  # fmt: skip
STUDIES = {room.STUDY.name: room.STUDY for room in ROOMS}


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_a_study_has_known_methods_distinct_runs_and_a_place_for_every_table(study):
    for setting, config in study.settings.items():
        every = jobs_of(study.lines(setting=setting), setting, config, [0, 1], Path("out"))
        jobs = [job for job, _ in every]
        for job in jobs:
            find_method(job.config.method)
        assert len({job.folder for job in jobs}) == len({job.label for job in jobs}) == len(jobs)
    page = (ROOT / "docs" / "results" / study.name / "README.md").read_text()
    assert f"python -m benchmarks.{study.name}" in page
    rows = [
        row(method, seed, 0.5, 0.4) | {"setting": setting}
        for setting in study.settings
        for method in study.against
        if method in {line.method for line in study.lines(setting=setting)}
        for seed in (0, 1)
    ]
    told = {"noise": {"auroc": 0.9, "auroc_loss": 0.8}}
    rows = [r | told if study.settings[r["setting"]].data.noise.kind != "none" else r for r in rows]
    for name in tables_of(study, rows):
        assert f"<!-- {name} -->\n" in page
        assert f"<!-- /{name} -->" in page


def test_every_budget_of_a_study_has_the_controls_that_the_method_names():
    """method.md, section 9: what must stand beside Meta-LP, CLP and CLP with masks in training."""
    needed = {
        "meta_lp": {"erm", "erm_meta", "meta_weight_net", "jtt", "dfr"},
        "clp": {"erm_meta_augmented", "dfr_augmented"},
        "clp_factual": {"erm_factual", "erm_factual_meta_augmented", "product_of_experts"},
    }
    # these compare forms or settings of one method, or two lines that others have chosen
    alike = ("ablation", "meta", "schemes", "replication")
    for study in STUDIES.values():
        if study.curves or study.judged_on == "validation" or study.name in alike:
            continue
        methods = {line.method for line in study.lines()}
        for ours, controls in needed.items():
            if ours in methods:
                assert controls <= methods


def test_a_study_on_validation_images_looks_at_the_weights_after_a_refit(tmp_path):
    """Epochs are judged before the method's last touch; a table that chooses it must see it."""
    config = RunConfig(
        method="dfr",
        data=DataConfig(meta=MetaConfig(per_class=10), validation_size=50, test_size=4500),
        optimizer=OptimizerConfig(epochs=2),
    )
    study = replace(strength.STUDY, judged_on="validation", curves={"train/loss/train": "loss"})
    folder = RunFolder(tmp_path / "run")
    tested = train(config, folder.path)
    found = measured(study, tested, folder)
    for name, weights in (("last", folder.last), ("selected", folder.selected("accuracy/mean"))):
        model, _, data = load_model(weights)
        with torch.no_grad():
            right = model(data.validation.everything().images).argmax(1) == data.validation.labels
        assert found[name]["validation/accuracy/mean"] == pytest.approx(right.float().mean().item())
        assert set(found[name]) - {"epoch"} == {key for key in found[name] if "valid" in key}
    before = read_history(folder.path)[-1]["validation/accuracy/mean"]
    assert found["last"]["validation/accuracy/mean"] != before
    assert len(found["curves"]["train/loss/train"]) == 2
    assert "selections" not in found
    assert "curves" not in measured(digits.STUDY, tested, folder)


def test_curves_leave_out_lines_without_the_metric(tmp_path):
    rows = [
        row("erm", 0, 0.5, 0.4) | {"curves": {"alpha": []}},
        row("clp", 0, 0.5, 0.4) | {"curves": {"alpha": [0.9, 0.1]}},
        row("clp", 1, 0.5, 0.4) | {"curves": {"alpha": [0.7, 0.3]}},
    ]
    file = tmp_path / "curves.png"
    draw_curves(file, rows, {"alpha": "strength"})
    assert file.read_bytes().startswith(b"\x89PNG")


def test_variants_are_lines_of_their_own():
    rows = [row("clp", 0, 0.5, 0.4), row("clp", 0, 0.7, 0.6) | {"variant": "target 5"}]
    table = results_markdown(rows, TITLES)
    assert "50.0" in table
    assert "70.0" in table
    changed = long_tail.target_5(long_tail.STUDY.settings["10:1"])
    assert (changed.clp.network.form, changed.clp.network.bound) == ("target", 5.0)


def test_lines_made_anew_leave_the_others_on_the_page(tmp_path):
    results, study = tmp_path / "results.json", long_tail.STUDY

    def one(setting, method, value, **more):
        return {"setting": setting, "method": method, "value": value} | more

    new = [one("10:1", "meta_lp", 2)]
    assert with_others(study, results, new) == new
    variant = one("10:1", "meta_lp", 1, variant="target 5")
    old = [one("10:1", "meta_lp", 1), variant, one("100:1", "erm", 1), one("10:1", "gone", 1)]
    results.write_text(json.dumps({"runs": old}))
    assert with_others(study, results, new) == [old[2], new[0], variant]


def test_a_setting_may_have_some_of_the_lines():
    study = replace(digits.STUDY, lines_of={"other": ("erm",)})
    assert [line.name for line in study.lines(setting="other")] == ["erm"]
    assert study.lines(["clp"], "other") == []
    names = [line.name for line in study.lines(setting="0.95")]
    assert names == [line.name for line in digits.STUDY.lines()]
    assert set(study.lines_of["other"]) <= {line.name for line in study.lines()}


def test_a_line_that_does_not_exist_is_refused():
    assert [line.name for line in digits.STUDY.lines(["erm", "clp"])] == ["erm", "clp"]
    with pytest.raises(SystemExit, match=r"\['emr'\] are no lines: choose among group_bal"):
        digits.STUDY.lines(["emr"])


def test_separation_of_wrong_labels_in_per_cent():
    areas = [{"auroc": 0.9, "auroc_loss": 0.8}, {"auroc": 0.7, "auroc_loss": 0.8}]
    rows = [ROWS[0] | {"noise": areas[0]}, ROWS[1] | {"noise": areas[1]}]
    rows.append(ROWS[3] | {"noise": {"auroc_loss": 0.6}})
    erm, clp = separation_markdown(rows).splitlines()[2:]
    assert erm == "| A | ERM | \N{EN DASH} | 60.0 |"
    assert clp == "| C | CLP | 80.0 ± 14.1 | 80.0 ± 0.0 |"


def test_rows_do_not_tell_where_the_runs_lie():
    config = long_tail.STUDY.settings["10:1"]
    out = Path("/somewhere/runs/long_tail/10:1")
    jobs = list(jobs_of(long_tail.STUDY.lines(), "10:1", config, [3], out))
    assert jobs[0][1]["folder"] == "long_tail/10:1/erm/seed-3"
    assert all(job.folder.is_relative_to(out) for job, _ in jobs)
    for page in ("long_tail", "noise"):
        rows = json.loads((ROOT / "docs" / "results" / page / "results.json").read_text())["runs"]
        assert all(row["folder"].startswith(f"{page}/") for row in rows)


def test_reliance_is_ranked_against_the_truth_by_kind_of_masks(tmp_path):
    def one(masks, correlation, reliance, worst, word, agreement):
        return {
            "masks": masks, "correlation": correlation, "reliance": reliance, "verdict": word,
            "worst_group": worst, "agreement": agreement,
        }  # fmt: skip

    rows = [
        one("exact", 0.5, 0.02, 0.80, "does_not", 0.8),
        one("exact", 0.5, 0.04, 0.82, "does_not", 0.6),
        one("exact", 0.95, 0.50, 0.20, "relies", None),
        one("boxes", 0.5, 0.30, 0.80, "relies", 0.5),
        one("boxes", 0.95, 0.10, 0.20, "leans", 0.5),
    ]
    table = reliance_markdown(rows)
    assert "| exact | 0.5 | 3.0 ± 1.4 | 2 does not | 0.70 |" in table
    assert "| exact | 0.95 | 50.0 | 1 relies | \N{EN DASH} |" in table
    # ties in the correlation: ranks 1.5, 1.5, 3 against 1, 2, 3; the worst group's: 2, 1, 3
    assert "| exact | 0.87 | 0.50 |" in ranks_markdown(rows)
    assert "| boxes | -1.00 | -1.00 |" in ranks_markdown(rows)
    (tmp_path / "README.md").write_text((PAGE / "README.md").read_text())
    write_page(tmp_path, rows, {"reliance": table, "ranks": ranks_markdown(rows)})


def test_fixes_are_told_before_and_after(tmp_path):
    def one(correlation, method, closed, word):
        before = {"average": 0.7, "worst_group": 0.4, "reliance": 0.5, "verdict": "relies"}
        after = {"average": 0.8, "worst_group": 0.7, "reliance": 0.1, "verdict": word}
        return {
            "correlation": correlation, "method": method, "closed": closed, "seconds": 10.0,
            "before": before, "after": after,
        }  # fmt: skip

    rows = [
        one(0.9, "clp_factual", 0.6, "does_not"), one(0.9, "clp_factual", 0.8, "leans"),
        one(0.95, "clp_factual", 0.5, "does_not"),
    ]  # fmt: skip
    table = fix.fixes_markdown(rows)
    half = 12.706205 * 10 * math.sqrt(2) / math.sqrt(2)
    cell = f"+70.0 [{70 - half:+.1f}, {70 + half:+.1f}]"
    assert "| 0.9 | `clp_factual` | 70.0 ± 0.0 → 80.0 ± 0.0 | 40.0 ± 0.0 → 70.0 ± 0.0 |" in table
    assert table.splitlines()[2].endswith(f"| {cell} |")
    words = fix.words_markdown(rows)
    assert "| 0.9 | `clp_factual` | 2 relies | 1 does not, 1 leans | 10 |" in words
    (tmp_path / "README.md").write_text((fix.PAGE / "README.md").read_text())
    write_page(tmp_path, rows, {"fixes": table, "words": words})


def test_a_composed_set_without_its_masks_keeps_all_else(tmp_path):
    (tmp_path / "metadata.csv").write_text(
        "img_filename,y,split,place,mask_filename,label_name,place_name\n"
        "images/0.jpg,0,0,1,masks/0.png,cat,sea\n"
        "images/1.jpg,1,3,1,masks/1.png,dog,sea\n"
    )
    table = fix.without_masks(tmp_path, tmp_path / "photos.csv").read_text().splitlines()
    assert table == [
        "image,label,group,split",
        f"{tmp_path}/images/0.jpg,cat,sea,train",
        f"{tmp_path}/images/1.jpg,dog,sea,meta",
    ]


def test_rows_with_very_many_groups_keep_their_means_alone(tmp_path):
    (tmp_path / "README.md").write_text("")

    def kept(groups):
        last = {f"accuracy/group/{i}": 0.5 for i in range(groups)} | {"accuracy/worst_group": 0.4}
        write_page(tmp_path, [{"method": "erm", "last": last, "selections": {"a": last}}], {})
        return json.loads((tmp_path / "results.json").read_text())["runs"][0]

    few = kept(25)
    assert len(few["last"]) == 26
    assert few["selections"]["a"] == {"accuracy/worst_group": 0.4}
    many = kept(26)
    assert many["last"] == many["selections"]["a"] == {"accuracy/worst_group": 0.4}
    assert many["method"] == "erm"


def test_figures_are_kept_to_six_decimals_and_a_run_a_line(tmp_path):
    (tmp_path / "README.md").write_text("")
    row = {"method": "erm", "seed": 3, "last": {"accuracy/mean": 0.45720000000000005}}
    write_page(tmp_path, [row, row], {})
    written = (tmp_path / "results.json").read_text()
    assert json.loads(written)["runs"] == [{**row, "last": {"accuracy/mean": 0.4572}}] * 2
    assert len(written.splitlines()) == 4


def test_fills_have_a_line_each_and_places_on_their_page():
    measured = {"l1": 0.05, "psnr": 21.94, "milliseconds": 2.04}
    rows = [
        {"fill": name, "seed": seed, "outline": 0.8 + seed / 10, "box": 0.5, **more}
        for name, more in ((fills.MASK, {}), ("opencv", measured))
        for seed in (0, 1)
    ]
    lines = fills.fills_markdown(rows).splitlines()
    plain = lines[2].replace("\N{EN DASH}", "-")
    assert plain == "| its mask alone | 85.0 ± 7.1 | 50.0 ± 0.0 | - | - | - |"
    assert lines[3].endswith("| 50.0 ± 0.0 | 0.050 ± 0.000 | 21.9 ± 0.0 | 2.0 |")
    page = (fills.PAGE / "README.md").read_text()
    assert all(f"<!-- fills {name} -->" in page for name in ("digits", "wear"))
    assert fills.setting("wear", "here").attribute.correlation == 0.5


def test_the_simulated_source_gives_every_image_by_its_number():
    data = scale.simulated(3, 1000)
    one, masks = data.train.images.read(torch.tensor([7, 999]))
    again, _ = data.train.images.read(torch.tensor([999]))
    assert torch.equal(one[1:], again)
    assert not torch.equal(one[0], one[1])
    assert masks.shape == (2, 1, 32, 32)
    row = scale.measure(3, 1000, "clp", steps=1)
    assert row["milliseconds"] > 0


def test_a_variant_of_the_paper_s_method_is_not_called_as_published():
    line = {"setting": "0.95", "variant": "held at 0.9"}
    assert named({"title": "CLP, as published"}, line)["title"] == "CLP, held at 0.9"
    assert named({"title": "CLP, as published"}, {})["title"] == "CLP, as published"
    assert named({"title": "Meta-LP"}, line)["title"] == "Meta-LP, held at 0.9"
