"""Who is in the report: runs gathered by method, and the two that stand at the top."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from causalogit.config import config_to_dict
from causalogit.methods import METHODS, Method
from causalogit.methods.clp import Clp, ClpFactual
from causalogit.methods.factual import ErmFactual
from causalogit.train.load import LoadedRun


@dataclass(frozen=True)
class Entry:
    """A method with one config: its runs differ by the seed alone.

    Attributes:
        title: shown; no two entries share it.
        key: a word for file names.
        budget: what the method is allowed to know.
        runs: one a seed.
        tone: its colour in every figure, from 1.
    """

    title: str
    key: str
    budget: str
    runs: tuple[LoadedRun, ...]
    tone: int

    @property
    def method(self) -> type[Method] | None:
        """The method's class; None where this version has no such method."""
        return METHODS.get(self.runs[0].config.method)

    @property
    def form(self) -> str | None:
        """Output form of the perturbation network; None for a method without one."""
        if self.method is None or not issubclass(self.method, Clp):
            return None
        return self.method.output_form(self.runs[0].config.clp)

    @property
    def augments(self) -> bool:
        """True for a method that changes its training images, their backgrounds or looks."""
        replaces = self.method is not None and issubclass(self.method, (ErmFactual, ClpFactual))
        run = self.runs[0]
        return replaces and run.config.controls.train_fill != "none" and run.data.train.has_masks


@dataclass(frozen=True)
class Lineup:
    """The entries in the order given; `reference` is ERM, `best` the method to be judged.

    The two are the same, or `reference` is None, where there is nothing to compare with.
    """

    entries: tuple[Entry, ...]
    reference: Entry | None
    best: Entry

    def pair(self) -> list[tuple[Entry, LoadedRun]]:
        """Reference and best with runs on the same split, so that both can be shown one image.

        Without such a pair it is the first run of `best` alone.
        """
        if self.reference is not None and self.reference is not self.best:
            for ours in self.best.runs:
                for theirs in self.reference.runs:
                    if (ours.config.data, ours.config.split_seed) == (
                        theirs.config.data,
                        theirs.config.split_seed,
                    ):
                        return [(self.reference, theirs), (self.best, ours)]
        return [(self.best, self.best.runs[0])]


def line_up(runs: Sequence[LoadedRun]) -> Lineup:
    """Gather runs by method and config.

    The reference is the first run of method "erm". The best is the last CLP method of budget C,
    or, without one, the last run's method: decided by what it is, not by how well it did.

    Raises:
        ValueError: no runs.
    """
    if not runs:
        raise ValueError("a report needs at least one finished run: give the folder of one")
    gathered: dict[str, list[LoadedRun]] = {}
    for run in runs:
        gathered.setdefault(_identity(run), []).append(run)
    groups = list(gathered.values())
    reference = next((i for i, own in enumerate(groups) if own[0].config.method == "erm"), None)
    ours = [
        i
        for i, own in enumerate(groups)
        if own[0].row["budget"] == "C" and own[0].perturbations is not None
    ]
    best = ours[-1] if ours else groups.index(gathered[_identity(runs[-1])])
    first = [i for i in (reference, best) if i is not None]
    order = list(dict.fromkeys([*first, *range(len(groups))]))
    # the reference keeps tone 1 and the best tone 2, whoever else is there
    shift = 1 if reference is not None else 2
    tones = {group: place + shift for place, group in enumerate(order)}
    titles, keys = _distinct([own[0].row["title"] for own in groups]), _keys(groups)
    entries = tuple(
        Entry(titles[i], keys[i], own[0].row["budget"], tuple(own), tones[i])
        for i, own in enumerate(groups)
    )
    return Lineup(entries, None if reference is None else entries[reference], entries[best])


def _identity(run: LoadedRun) -> str:
    config = config_to_dict(run.config) | {"seed": None}
    return json.dumps([run.row["title"], config], sort_keys=True)


def _keys(groups: list[list[LoadedRun]]) -> list[str]:
    return _distinct(
        [re.sub(r"[^\w-]+", "-", own[0].config.method)[:40] or "run" for own in groups], "-{}"
    )


def _distinct(names: list[str], suffix: str = " ({})") -> list[str]:
    """Number what is there twice."""
    counts: dict[str, int] = {}
    result = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        result.append(name if counts[name] == 1 else name + suffix.format(counts[name]))
    return result
