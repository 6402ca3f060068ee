from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from causalogit.data import InMemory
from causalogit.report import write_report
from causalogit.train import LoadedRun

SECTIONS = ["looks", "why", "results", "groups", "curves", "delta", "data", "record"]
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects what the tests ask for, and minds that tags are closed in order.

    It also minds that the caption of a figure is its first or its last child.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text()
        self.open: list[str] = []
        self.children: list[list[str]] = [[]]
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(self.text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.children[-1].append(tag)
        if tag not in VOID:
            self.open.append(tag)
            self.children.append([])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.children[-1].append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        children = self.children.pop()
        assert tag != "figure" or "figcaption" not in children[1:-1]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def sections(self) -> list[str | None]:
        return [section.get("id") for section in self.all("section")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture
def page(folder: Path, erm: LoadedRun, clp: LoadedRun, recipe: LoadedRun) -> Page:
    """The report of three methods, written once."""
    path = folder / "report.html"
    if not path.is_file():
        assert write_report([erm, clp, recipe], folder) == path
    return Page(path)


def test_every_section_is_there(page: Page) -> None:
    assert page.sections == SECTIONS
    assert len(page.all("h1")) == 1


def test_the_page_needs_nothing_else(page: Page) -> None:
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert not page.all("script")
    assert not page.all("link")
    assert "@import" not in page.text
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/png;base64,", "#"))
    for address in re.findall(r"url\(([^)]*)\)", page.text):
        assert address.startswith("#")
    assert len(page.text) < 3e6


def test_ids_are_unique_and_every_reference_has_its_target(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page.text))
    assert {a or b for a, b in wanted} <= set(ids)


def test_everything_to_be_seen_can_be_read_out(page: Page) -> None:
    assert all(image.get("alt") for image in page.all("img"))
    figures = [svg for svg in page.all("svg") if svg.get("aria-hidden") != "true"]
    assert figures
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in figures)
    assert page.all("html")[0].get("lang")


def test_figures_follow_the_theme(page: Page) -> None:
    assert "prefers-color-scheme: dark" in page.text
    drawings = re.findall(r"<svg.*?</svg>", page.text, flags=re.DOTALL)
    assert all("var(--" in drawing for drawing in drawings)
    assert not any("#1c2026" in drawing for drawing in drawings)


def test_the_same_images_stand_side_by_side(page: Page) -> None:
    alts = [image["alt"] or "" for image in page.all("img")]
    assert sum(alt.startswith("Test image: digit") for alt in alts) == 8
    assert sum(alt.startswith("Where ERM looks") for alt in alts) == 8
    assert sum(alt.startswith("Where CLP + factual augmentation looks") for alt in alts) == 8
    assert page.text.count("✓</b>") + page.text.count("✗</b>") == 16


def test_numbers_come_from_the_runs(page: Page, recipe: LoadedRun) -> None:
    for part in ("selected", "last"):
        for name in ("accuracy/test_mean", "accuracy/worst_group"):
            assert f">{100 * recipe.row[part][name]:.1f}</td>" in page.text
    assert "3,500" in page.text
    assert "Masks on training images: exact" in page.text


def test_every_characteristic_of_every_clp_run_has_its_figure(
    page: Page, clp: LoadedRun, recipe: LoadedRun
) -> None:
    assert clp.perturbations is not None
    for name in clp.perturbations.names:
        assert page.text.count(f"<h3>{name}</h3>") == 2


def test_augmented_images_are_those_of_the_config(page: Page) -> None:
    assert "Meta images, factual: random" in page.text
    assert "Meta images, counterfactual: shuffle" in page.text
    assert "Training images, factual: random" in page.text
    assert "what the spurious expert sees. Used by CLP + factual augmentation." in page.text


def test_figures_lie_beside_the_page(page: Page, folder: Path) -> None:
    names = {path.name for path in (folder / "figures").iterdir()}
    clp = {"delta-clp.png", "delta-clp_factual.png"}
    assert names == {"looks.png", "groups.png", "curves.png"} | clp
    for path in (folder / "figures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_versions_and_config_are_recorded(page: Page, erm: LoadedRun) -> None:
    assert "Python" in page.text
    assert "torch 2" in page.text
    assert "learning_rate: 0.01" in page.text
    assert str(erm.folder) in page.text


def test_hostile_names_stay_names(erm: LoadedRun, clp: LoadedRun, tmp_path: Path) -> None:
    evil = '<script>alert("$x_1$ & {{ 7 * 7 }}")</script>'
    runs = []
    for run in (erm, clp):
        config = replace(run.config, method=evil + "/../../x")
        row = run.row | {"title": evil, "dataset": evil}
        names = [evil, *run.perturbations.names[1:]] if run.perturbations else []
        given = replace(run.perturbations, names=names) if run.perturbations else None
        odd = replace(run, config=config, row=row, perturbations=given, folder=Path(evil))
        runs.append(odd)
    page = Page(write_report(runs, tmp_path))
    assert not page.all("script")
    assert "&lt;script&gt;" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures", "report.html"]


def test_one_run_without_clp(erm: LoadedRun, tmp_path: Path) -> None:
    page = Page(write_report([erm], tmp_path))
    assert page.sections == [name for name in SECTIONS if name != "delta"]
    assert page.text.count("✓</b>") + page.text.count("✗</b>") == 8


def test_weights_stand_beside_delta(
    clp: LoadedRun, make_run: Callable[..., LoadedRun], tmp_path: Path
) -> None:
    weighted = make_run("meta_weight_net")
    page = Page(write_report([clp, weighted], tmp_path))
    assert "What delta or a weight answers to" in page.text
    assert "Up: the image's weight in the training loss" in page.text
    assert (tmp_path / "figures" / "delta-meta_weight_net.png").is_file()
    alone = Page(write_report([weighted], tmp_path / "alone"))
    assert alone.sections == SECTIONS
    assert "What the weight answers to" in alone.text
    assert "delta" not in re.sub(r"<[^>]*>", "", alone.text.split('id="delta"')[1].split("<h3>")[0])


def test_several_seeds_are_one_row(
    erm: LoadedRun, other_seed: LoadedRun, clp: LoadedRun, tmp_path: Path
) -> None:
    page = Page(write_report([erm, other_seed, clp], tmp_path))
    rows = re.findall(r"<tr.*?</tr>", page.text.split('id="results"')[1].split("</table>")[0], re.S)
    assert len(rows) == 4
    assert "0, 1" in rows[2]
    assert rows[2].count("±") == 6
    assert "±" not in rows[3]
    assert "in per cent (mean over the seeds), classes down" in page.text


def test_data_without_masks_has_no_share_of_attention(erm: LoadedRun, tmp_path: Path) -> None:
    bare = {
        name: replace(split, images=InMemory(split.everything().images))
        for name in ("train", "meta", "test")
        for split in [getattr(erm.data, name)]
    }
    data = replace(erm.data, **bare)
    page = Page(write_report([replace(erm, data=data)], tmp_path))
    assert "The upright mark" not in page.text
    assert "Attention on the digit" not in page.text
    assert "The training images have no masks." in page.text
    assert "Images that are made" not in page.text


def test_runs_without_a_record_of_their_environment(erm: LoadedRun, tmp_path: Path) -> None:
    page = Page(write_report([replace(erm, folder=tmp_path / "gone")], tmp_path))
    assert "record" in page.sections


def test_no_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one finished run"):
        write_report([], tmp_path)


def test_runs_on_other_images_are_refused(erm: LoadedRun, tmp_path: Path) -> None:
    other = replace(erm, data=replace(erm.data, class_names=("a", "b", "c", "d", "e")))
    with pytest.raises(ValueError, match="one report for each"):
        write_report([erm, other], tmp_path)
