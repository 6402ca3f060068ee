"""From a fix to its page: before and after, one file, no network."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from causalogit.auditing import Estimate
from causalogit.auditing.page import MOST_GROUPS, WORDS, page_environment
from causalogit.fixing.result import Fixed, GroupChange
from causalogit.report import palette

KINDS = {
    "photo": "The photo",
    "looked": "Where it looked before",
    "looks": "Where it looks now",
    "other": "On a background that speaks against it",
}
"""Titles of the pictures, in the order that they are shown in."""

_RECIPES = {
    "clp_factual": "In every step, the {thing}s of the training photos were put on the backgrounds "
    "of other photos, always new ones, so that no background says which class it is. What still "
    "shows of the old background is subtracted while training (Causal Logit Perturbation).",
    "erm_factual": "In every step, the {thing}s of the training photos were put on the backgrounds "
    "of other photos, always new ones, so that no background says which class it is.",
    "erm_meta_augmented": "Beside the training photos, a few photos with masks were learned from: "
    "their {thing}s on the backgrounds of other photos, and their backgrounds without the {thing}, "
    "which no class may be read from.",
}


@dataclass(frozen=True)
class Pair:
    """One figure before and after, as two bars."""

    title: str
    note: str
    before: Estimate
    after: Estimate
    chances: tuple[float | None, float | None] = (None, None)


def render(fixed: Fixed) -> str:
    """The page of a fix.

    Raises:
        ValueError: it was made without pictures.
    """
    if fixed.pictures is None:
        raise ValueError("the fix was made without pictures: make it with pictures=True")
    shown = {shot.kind for series in fixed.pictures for shot in series.shots}
    return (
        page_environment("causalogit.fixing")
        .get_template("fix.html.j2")
        .render(
            fixed=fixed,
            css=Markup(palette.css()),
            words=WORDS,
            kinds={kind: title for kind, title in KINDS.items() if kind in shown},
            pairs=_pairs(fixed),
            recipe=_recipe(fixed),
            seen=_seen(fixed),
            cautions=fixed.cautions,
            groups=_groups(fixed),
            classes=sorted(fixed.classes, key=lambda own: own.name),
        )
    )


def _pairs(fixed: Fixed) -> list[Pair]:
    thing, both = fixed.object_name, (fixed.before.overall, fixed.after.overall)

    def pair(title: str, note: str, name: str, chance: str | None = None) -> list[Pair]:
        first, last = (getattr(own, name) for own in both)
        if first is None or last is None:
            return []
        chances = [None if chance is None else getattr(own, chance) for own in both]
        return [Pair(title, note, first, last, (chances[0], chances[1]))]

    found = pair("Photos as they are", "named right", "as_is")
    if fixed.gap is not None:
        worst = [fixed.gap.worst_before, fixed.gap.worst_after]
        names = list(dict.fromkeys(f"{own.label}, {own.background}" for own in worst))
        found.append(
            Pair(
                "The worst group",
                "photos as they are; " + ", now ".join(names),
                worst[0].accuracy.before,
                worst[1].accuracy.after,
            )
        )
    found += pair(
        "Answers that turn with the background",
        f"the same {thing} on two backgrounds: right on the one for its class, wrong on the one "
        "against it; shorter is better",
        "reliance",
    )
    found += pair(f"The {thing} on a background that speaks against it", "named right", "other")
    found += pair(
        "The background alone",
        f"the class of the {thing} is still named; nearer to chance is better",
        "alone",
        "alone_by_chance",
    )
    return found + pair(
        f"Attention on the {thing}",
        f"dashed: the part of these photos that the {thing} takes, where one who looks everywhere "
        "alike would end",
        "attention",
        "attention_by_chance",
    )


def _groups(fixed: Fixed) -> list[GroupChange]:
    """Those that were worst before, and the one that is worst now."""
    if fixed.gap is None:
        return []
    shown = list(fixed.gap.groups[:MOST_GROUPS])
    return shown if fixed.gap.worst_after in shown else [*shown, fixed.gap.worst_after]


def _recipe(fixed: Fixed) -> str:
    words = _RECIPES.get(fixed.method, "By the method of this name.")
    return words.format(thing=fixed.object_name)


def _seen(fixed: Fixed) -> str:
    told = (
        "Neither the training that is shown here, nor its small meta set, nor the choice of an "
        "epoch has seen them."
    )
    if fixed.seen == "no":
        return f"{told} The audited classifier had kept them apart as well."
    return (
        f"{told} Whether the audited classifier was once trained on some of them is not known "
        "here; if it was, its figures before, and those after, which start from its weights, are "
        "too good."
    )
