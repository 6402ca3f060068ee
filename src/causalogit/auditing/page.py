"""From an audit to its page: one file, no network."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from causalogit.auditing.result import Audit, ClassResult, Figures
from causalogit.auditing.statistics import Estimate
from causalogit.auditing.verdict import lead, percent
from causalogit.report import palette

KINDS = {
    "as_is": "The photo",
    "own": "On a background that speaks for it",
    "other": "On a background that speaks against it",
    "gone": "Without the object",
    "alone": "The background alone",
    "attention": "Where it looks",
}
"""Titles of the pictures, in the order that they are shown in."""

WORDS = {
    "relies": "relies",
    "leans": "has a say",
    "does_not": "does not rely",
    "unclear": "cannot be told",
    "unmeasured": "not measured",
}
MOST_GROUPS = 12


@dataclass(frozen=True)
class Meter:
    """One figure as a bar: what it is of, and what chance would reach."""

    title: str
    note: str
    estimate: Estimate | None
    chance: float | None = None


def render(audit: Audit) -> str:
    """The page of an audit.

    Raises:
        ValueError: the audit was made without pictures.
    """
    if audit.pictures is None:
        raise ValueError("the audit was made without pictures: make it with pictures=True")
    return (
        page_environment()
        .get_template("audit.html.j2")
        .render(
            audit=audit,
            css=Markup(palette.css()),
            kinds={kind: title for kind, title in KINDS.items() if _has(audit, kind)},
            lead=lead(audit.overall, audit.object_name),
            meters=_meters(audit.overall, audit.object_name),
            words=WORDS,
            turns=_turns(audit),
            classes=sorted(audit.classes, key=_reliance, reverse=True),
            most_groups=MOST_GROUPS,
        )
    )


def page_environment(*rooms: str) -> Environment:
    """Where templates are found: those of an audit, of the report, and of other rooms.

    Args:
        rooms: names of packages with a folder `templates`, looked into first.
    """
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader(room) for room in (*rooms, "causalogit.auditing", "causalogit.report")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["interval"] = _interval
    return environment


def _turns(audit: Audit) -> tuple[int, int, int]:
    """Photos on two backgrounds; those right on the first alone, and on the second alone."""
    columns = (audit.per_photo[name] for name in ("label", "own_background", "other_background"))
    seen = [row for row in zip(*columns, strict=True) if None not in row]
    wrong = sum(own == label != other for label, own, other in seen)
    right = sum(other == label != own for label, own, other in seen)
    return len(seen), wrong, right


def _has(audit: Audit, kind: str) -> bool:
    """Whether the series have this picture."""
    return kind != "attention" or audit.attention_method is not None


def _reliance(result: ClassResult) -> float:
    return -2.0 if result.figures.reliance is None else result.figures.reliance.value


def _meters(figures: Figures, thing: str) -> list[Meter]:
    return [
        Meter("Photos as they are", "named right", figures.as_is),
        Meter(
            f"The {thing} on a background that speaks for its class",
            "cut out and pasted; named right",
            figures.own,
        ),
        Meter(
            f"The {thing} on a background that speaks against it",
            "cut out and pasted alike; named right",
            figures.other,
        ),
        Meter(
            f"The {thing} filled with grey",
            "its class is still named; the outline is left",
            figures.gone,
            figures.gone_by_chance,
        ),
        Meter(
            "The background alone",
            f"the class of the {thing} is still named; not even the outline is left",
            figures.alone,
            figures.alone_by_chance,
        ),
    ]


def _interval(estimate: Estimate) -> str:
    """An interval's ends in per cent."""
    ends = (str(round(100 * end)) for end in (estimate.low, estimate.high))
    return " to ".join(end.replace("-", "\N{MINUS SIGN}") for end in ends)
