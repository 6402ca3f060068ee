"""Pages about data that are no coloured digits."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

from causalogit.report import write_report
from causalogit.report.lineup import line_up
from causalogit.report.noise import noise_panels, what_tells
from causalogit.train import LoadedRun
from causalogit.train.load import Perturbations
from tests.report.conftest import made_up_samples
from tests.report.test_page import Page


def text(page: Page, section: str = "") -> str:
    """What the page, or one section of it, says: without tags, figures and configs."""
    whole = page.text
    if section:
        whole = whole.split(f'<section id="{section}"')[1].split("</section>")[0]
    body = re.sub(r"<(style|svg|pre).*?</\1>", "", whole, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("noisy")


@pytest.fixture
def page(folder: Path, noisy: list[LoadedRun]) -> Page:
    """Long-tailed digits with wrong labels and no attributes, written once."""
    path = folder / "report.html"
    return Page(path if path.is_file() else write_report(noisy, folder))


@pytest.mark.parametrize("section", ["looks", "results", "groups", "curves", "delta", "noise"])
def test_nothing_is_said_of_backgrounds_where_there_are_none(section: str, page: Page) -> None:
    said = text(page, section)
    assert "background" not in said
    assert "mislead" not in said
    assert "worst group" not in said


def test_sections_and_figures(page: Page, folder: Path) -> None:
    assert page.sections == [
        "looks", "why", "results", "groups", "curves", "delta", "noise", "data", "record",
    ]  # fmt: skip
    names = {path.name for path in (folder / "figures").iterdir()}
    assert names == {"looks.png", "classes.png", "curves.png", "delta-clp.png", "noise.png"}


def test_a_weight_is_not_called_delta(noisy: list[LoadedRun]) -> None:
    ours = line_up(noisy).best
    config = replace(ours.runs[0].config, method="meta_weight_net")
    weighted = replace(ours, runs=(replace(ours.runs[0], config=config),))
    assert what_tells([ours]) == "delta"
    assert what_tells([weighted]) == "weight"
    assert what_tells([ours, weighted]) == "delta or weight"
    assert what_tells(line_up(noisy[:1]).entries) == ""
    for entry, expected in ((ours, "delta at the label"), (weighted, "weight, negated")):
        (panel,) = noise_panels([entry])
        axes = Figure().add_subplot()
        panel.draw(axes)
        assert axes.get_xlabel().startswith(expected)


def test_wrong_labels_are_counted_shown_and_told_apart(page: Page, noisy: list[LoadedRun]) -> None:
    said = text(page)
    share = noisy[0].row["noise"]["wrong_share"]
    assert f"{share:.0%} are wrong" in said
    assert "the label is wrong" in said
    assert "; in truth " in said
    own = page.text.split('<section id="noise"')[1].split("</section>")[0]
    figures = [f"{100 * noisy[1].row['noise'][name]:.0f}%" for name in ("auroc", "auroc_loss")]
    assert re.findall(r"<span>(\d+%)</span>", own)[-2:] == figures
    assert own.count("<svg") == 1


def test_sizes_of_classes(page: Page, noisy: list[LoadedRun]) -> None:
    table = page.text.split('id="results"')[1].split("</table>")[0]
    selected = noisy[0].row["selected"]
    sizes = [name for name in ("many", "medium", "few") if f"accuracy/{name}" in selected]
    assert len(sizes) > 1
    for name in sizes:
        assert name.capitalize() in table
        assert f">{100 * selected[f'accuracy/{name}']:.1f}</td>" in table
    assert "Worst class" in table
    assert "Worst group" not in table
    assert "Classes come in unequal numbers" in page.text


def test_where_the_images_came_from(page: Page, noisy: list[LoadedRun]) -> None:
    for origin in noisy[0].data.origins.values():
        assert origin in page.text


def test_large_photos_with_attributes_of_their_own(birds: LoadedRun, tmp_path: Path) -> None:
    page = Page(write_report([birds], tmp_path))
    said = text(page)
    assert "by Grad-CAM" in said
    assert "Every class with every attribute" in said
    assert "kind 0, place 0" in said
    assert "The attribute is a clue." in said
    assert "In the test images every class" not in said
    sources = [image["src"] or "" for image in page.all("img")]
    assert all(source.startswith("data:image/jpeg") for source in sources)
    assert "place 1" in re.findall(r"<svg.*?</svg>", page.text, re.DOTALL)[0]
    assert len(page.text) < 1e6


def many_classes(classes: int, attributes: int, made_up: Callable[..., LoadedRun]) -> LoadedRun:
    counts = [[12 + 40 * (label % attributes == a) for a in range(attributes)]
              for label in range(classes)]  # fmt: skip
    samples = made_up_samples(counts, attributes=attributes > 1)
    run = made_up(samples, method="clp")
    train = run.data.train
    given = Perturbations(
        ["loss"], torch.randn(len(train), 1), torch.randn(len(train), classes),
        train.labels, train.groups,
    )  # fmt: skip
    return replace(run, perturbations=given)


@pytest.mark.parametrize("attributes", [1, 3])
def test_a_hundred_classes_do_not_burst_the_page(
    attributes: int, made_up: Callable[..., LoadedRun], tmp_path: Path
) -> None:
    run = many_classes(100, attributes, made_up)
    page = Page(write_report([run], tmp_path))
    said = text(page)
    assert "Shown: 20 of 100 classes." in said
    assert "10 of 100 classes" in said
    assert "each of 8 classes, evenly spread over all 100" in said
    assert len(page.all("img")) < 60
    assert len(page.text) < 2e6
    assert ("attribute and class agree" in said) == (attributes > 1)
    # accuracies of 300 groups are not kept
    assert any(n.startswith("accuracy/group/") for n in run.row["selected"]) == (attributes == 1)


def test_tables_of_groups_leave_out_classes(
    made_up: Callable[..., LoadedRun], tmp_path: Path
) -> None:
    page = Page(write_report([many_classes(14, 2, made_up)], tmp_path))
    assert "Shown: 10 of 14 classes." in text(page)
    assert (tmp_path / "figures" / "groups.png").is_file()


def test_data_without_any_bias_say_so(made_up: Callable[..., LoadedRun], tmp_path: Path) -> None:
    page = Page(write_report([many_classes(3, 1, made_up)], tmp_path))
    assert "no bias that this report could speak of" in text(page, "why")
    assert "label is wrong" not in text(page, "delta")
    assert "noise" not in page.sections
    assert page.text.count("training image</li>") == 1
