"""From runs to the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment as JinjaEnvironment
from jinja2 import PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from matplotlib.lines import Line2D

from causalogit.files import write_text
from causalogit.report import palette
from causalogit.report.doubts import meta_doubts
from causalogit.report.facts import Facts, state_facts
from causalogit.report.figures.classes import MOST_METHODS, class_key, class_panels, shown_classes
from causalogit.report.figures.curves import curve_key, curve_panels
from causalogit.report.figures.draw import Panel, write_png
from causalogit.report.figures.groups import group_panel, has_groups, shown_attributes
from causalogit.report.figures.perturbation import (
    Response,
    perturbation_key,
    perturbation_panels,
    response,
)
from causalogit.report.headline import headline
from causalogit.report.lineup import Entry, Lineup, line_up
from causalogit.report.looks import look, rule
from causalogit.report.marks import Marks, marks_of
from causalogit.report.measures import (
    Measures,
    Spread,
    measure,
    measured_images,
    shown_measures,
)
from causalogit.report.noise import noise_panels, noise_rows, what_tells
from causalogit.report.record import environments, records
from causalogit.report.scene import Scene, describe_scene
from causalogit.report.seen import attention_method
from causalogit.report.table import budgets, choose_columns, results
from causalogit.report.trained_on import augmentation_strips, parts, training_strips
from causalogit.report.words import augmentations_in_words, method_in_words
from causalogit.train.load import LoadedRun


@dataclass(frozen=True)
class Drawing:
    """A panel, drawn."""

    panel: Panel
    svg: Markup


@dataclass(frozen=True)
class ResponseSection:
    """What one CLP run's perturbation network does."""

    entry: Entry
    run: LoadedRun
    given: Response
    marks: Marks
    drawings: list[Drawing]


@dataclass(frozen=True)
class GroupSection:
    """Accuracies of groups or of classes, and what is left out of them.

    Attributes:
        drawings: a table an entry; or the panels of the classes.
        entries: who is in the panels of the classes; empty where there are tables.
        left_out: what is not shown, in words.
    """

    drawings: list[Drawing]
    entries: list[Entry]
    left_out: str


def write_report(runs: Sequence[LoadedRun], folder: Path) -> Path:
    """Write `folder/report.html`, one file that needs no other, and its figures as PNG.

    Runs that differ by their seed alone are gathered: tables show mean and standard deviation. ERM
    is the reference; the method it is held against is the last CLP method of budget C, or without
    one the last run's. Attention and delta are those of single runs, and say of which.

    Args:
        runs: finished runs on one source of images; any methods, any number of seeds.
        folder: made if missing; also gets `figures/*.png`.

    Returns:
        The path of the HTML file.

    Raises:
        ValueError: no runs, or runs on different kinds of images.
    """
    lineup = line_up(runs)
    pair = lineup.pair()
    shown = pair[-1][1]
    scene = describe_scene(shown)
    if any(describe_scene(run) != scene for run in runs):
        raise ValueError("the runs differ in what their images show: write one report for each")
    facts = state_facts(shown)
    measures = {entry.key: measure(entry) for entry in lineup.entries}
    columns = choose_columns(lineup.entries, scene, facts)
    figures = folder / "figures"
    html = _template().render(
        palette=palette,
        css=Markup(palette.css()),
        run=shown,
        scene=scene,
        facts=facts,
        lineup=lineup,
        pair=pair,
        headline=headline(lineup, measures, scene),
        examples=look(pair, scene, figures / "looks.png"),
        attention=attention_method(shown),
        rule=rule(scene),
        measures=measures,
        relies=shown_measures(scene, measures),
        measured=len(measured_images(len(shown.data.test))),
        rows=results(lineup.entries, columns),
        columns=columns,
        in_words=method_in_words,
        shown_instead=augmentations_in_words(lineup.entries),
        budgets=budgets(lineup.entries),
        groups=_groups(lineup, measures, scene, facts, figures),
        curves=_curves(lineup, scene, figures),
        responses=_responses(lineup, scene, facts, figures),
        noise=noise_rows(lineup.entries),
        tells=what_tells(lineup.entries),
        suspicions=_suspicions(lineup, figures),
        parts=parts(shown, scene),
        training=training_strips(shown, scene),
        doubts=meta_doubts(pair, scene),
        augmentations=augmentation_strips(lineup.entries, scene),
        environments=environments(lineup.entries),
        records=records(lineup.entries),
    )
    path = folder / "report.html"
    write_text(path, html)
    return path


def _template() -> Template:
    environment = JinjaEnvironment(
        loader=PackageLoader("causalogit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    environment.filters["seconds"] = _seconds
    environment.filters["signed"] = _signed
    return environment.get_template("report.html.j2")


def _percent(spread: Spread | float | None, digits: int = 1) -> str:
    """A share in per cent, with its deviation where there is one."""
    if spread is None:
        return "\N{EN DASH}"
    if isinstance(spread, float):
        return f"{100 * spread:.{digits}f}"
    text = f"{100 * spread.mean:.{digits}f}"
    if spread.deviation is None:
        return text
    return f"{text} \N{PLUS-MINUS SIGN} {100 * spread.deviation:.{digits}f}"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")  # no negative zero


def _seconds(spread: Spread) -> str:
    text = f"{spread.mean:.0f}"
    if spread.deviation is None:
        return text
    return f"{text} \N{PLUS-MINUS SIGN} {spread.deviation:.0f}"


def _draw(
    panels: Sequence[Panel], name: str, figures: Path, columns: int, key: Sequence[Line2D] = ()
) -> list[Drawing]:
    write_png(figures / f"{name}.png", panels, columns, key)
    return [Drawing(panel, panel.svg(f"{name}-{place}")) for place, panel in enumerate(panels)]


def _groups(
    lineup: Lineup, measures: dict[str, Measures], scene: Scene, facts: Facts, figures: Path
) -> GroupSection:
    if scene.has_attributes and all(has_groups(entry) for entry in lineup.entries):
        panels = [group_panel(entry, scene) for entry in lineup.entries]
        left_out = _left_out(
            (len(scene.shown), len(scene.classes), "classes"),
            (len(shown_attributes(scene)), len(scene.attributes), f"{scene.attribute}s"),
        )
        return GroupSection(_draw(panels, "groups", figures, columns=4), [], left_out)
    pair = [entry for entry, _ in lineup.pair()]
    entries = list(lineup.entries)
    if len(entries) > MOST_METHODS:
        others = [entry for entry in entries if entry not in pair]
        entries = [*pair, *others][:MOST_METHODS]
    run = lineup.pair()[-1][1]
    classes = shown_classes(run.data.class_counts, facts.tail)
    panels = class_panels(entries, measures, scene, run.data.class_counts, classes)
    left_out = _left_out(
        (len(classes), len(scene.classes), "classes"),
        (len(entries), len(lineup.entries), "methods"),
    )
    return GroupSection(_draw(panels, "classes", figures, 2, class_key(entries)), entries, left_out)


def _left_out(*shown: tuple[int, int, str]) -> str:
    """How many are shown of what is not shown whole."""
    parts = [f"{some} of {every} {what}" for some, every, what in shown if some < every]
    return f"Shown: {' and '.join(parts)}." if parts else ""


def _curves(lineup: Lineup, scene: Scene, figures: Path) -> list[Drawing]:
    panels = curve_panels(lineup.entries, "group" if scene.has_attributes else "class")
    return _draw(panels, "curves", figures, 3, curve_key(lineup.entries))


def _responses(lineup: Lineup, scene: Scene, facts: Facts, figures: Path) -> list[ResponseSection]:
    sections = []
    for entry in lineup.entries:
        run = entry.runs[0]
        if run.perturbations is None:
            continue
        marks = marks_of(run, scene, facts)
        given = response(run.perturbations, marks.common, entry.form or "")
        panels = perturbation_panels(run.perturbations, given, marks.where)
        key = perturbation_key(given, marks.words)
        drawings = _draw(panels, f"delta-{entry.key}", figures, 5, key)
        sections.append(ResponseSection(entry, run, given, marks, drawings))
    return sections


def _suspicions(lineup: Lineup, figures: Path) -> list[Drawing]:
    panels = noise_panels(lineup.entries)
    return _draw(panels, "noise", figures, 3) if panels else []
