"""Who goes where: cut-outs and scenes are split first, and put together within a split only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random

from causalogit.data.compose.config import SPLITS, ComposeConfig
from causalogit.data.compose.inputs import Inputs, raise_problems


@dataclass(frozen=True)
class Composite:
    """One image that is to be made: `cut_out` of class `label` on `scene` of place `place`."""

    split: str
    label: int
    place: int
    cut_out: Path
    scene: Path


@dataclass(frozen=True)
class Plan:
    """The whole set before a pixel of it is drawn.

    Attributes:
        classes, places: names, by number.
        composites: the images in their order, split by split as in `SPLITS`.
        scenes: how many different scenes each (split, place) has to choose from.
        copies: how many files were left out as copies.
    """

    classes: tuple[str, ...]
    places: tuple[str, ...]
    composites: tuple[Composite, ...]
    scenes: dict[tuple[str, int], int]
    copies: int

    def group_sizes(self, split: str) -> dict[tuple[int, int], int]:
        """Images of each (class, place) of a split, of the empty ones too."""
        found = Counter((c.label, c.place) for c in self.composites if c.split == split)
        pairs = ((y, p) for y in range(len(self.classes)) for p in range(len(self.places)))
        return {pair: found[pair] for pair in pairs}


def place_counts(images: int, own: int, places: int, agreement: float | None) -> list[int]:
    """How many images of one class stand in each place.

    Exactly `round(agreement * images)` stand in place `own`; the other places share the rest as
    evenly as whole numbers allow, beginning after `own`. Without an agreement all places share
    evenly.
    """
    if agreement is None:
        return [images // places] * places
    counts = [0] * places
    counts[own] = round(agreement * images)
    for extra in range(images - counts[own]):
        counts[(own + 1 + extra % (places - 1)) % places] += 1
    return counts


def scene_shares(scenes: int, sizes: dict[str, int]) -> dict[str, int]:
    """Divide scenes among splits: one each, the others in proportion to the sizes.

    What whole numbers leave over goes to the largest remainders.
    """
    spare, total = scenes - len(sizes), sum(sizes.values())
    shares = {split: 1 + spare * size // total for split, size in sizes.items()}
    left = scenes - sum(shares.values())
    for split in sorted(sizes, key=lambda split: -(spare * sizes[split] % total))[:left]:
        shares[split] += 1
    return shares


def make_plan(config: ComposeConfig, inputs: Inputs) -> Plan:
    """Split the cut-outs of every class and the scenes of every place, then pair them.

    A cut-out is used at most once in the whole set. A scene stays in its split, and comes again
    there only once all scenes of its place have been used.

    Raises:
        ValueError: there are too few cut-outs or scenes, or the groups cannot be balanced.
    """
    raise_problems(_shortages(config, inputs))
    places, seed = list(inputs.scenes), config.seed
    cut_outs = {
        name: iter(_shuffled(files, f"{seed} cut-outs {name}"))
        for name, files in inputs.cut_outs.items()
    }
    scenes = {
        name: _split_scenes(_shuffled(files, f"{seed} scenes {name}"), config)
        for name, files in inputs.scenes.items()
    }
    composites: list[Composite] = []
    for split in SPLITS:
        cells = []
        each = config.images(split) // len(config.pairs)
        for label, (name, own) in enumerate(config.pairs.items()):
            counts = place_counts(each, places.index(own), len(places), config.agreement(split))
            for place, count in enumerate(counts):
                cells += [(label, place, file) for file in islice(cut_outs[name], count)]
        queues = [cycle(scenes[name][split]) for name in places]
        composites += [
            Composite(split, label, place, file, next(queues[place]))
            for label, place, file in Random(f"{seed} order {split}").sample(cells, len(cells))
        ]
    return Plan(
        tuple(config.pairs),
        tuple(places),
        tuple(composites),
        {(split, p): len(scenes[name][split]) for p, name in enumerate(places) for split in SPLITS},
        len(inputs.copies),
    )


def _shortages(config: ComposeConfig, inputs: Inputs) -> list[str]:
    problems = []
    groups = len(config.pairs) * len(inputs.scenes)
    for split in SPLITS:
        images = config.images(split)
        if config.agreement(split) is None and images % groups:
            problems.append(
                f"{split} is {images}, which {groups} groups ({len(config.pairs)} classes times "
                f"{len(inputs.scenes)} places) cannot share evenly: give a multiple of {groups}"
            )
    each = {split: config.images(split) // len(config.pairs) for split in SPLITS}
    needed = sum(each.values())
    for name, files in inputs.cut_outs.items():
        if len(files) < needed:
            parts = " + ".join(f"{count} {split}" for split, count in each.items())
            problems.append(
                f"class '{name}' needs {needed} cut-outs ({parts}), and there are {len(files)}: "
                "ask for fewer images, or give more cut-outs"
            )
    for name, files in inputs.scenes.items():
        if len(files) < len(SPLITS):
            problems.append(
                f"place '{name}' needs {len(SPLITS)} scenes, one for each split, and there are "
                f"{len(files)}: give more scenes"
            )
    return problems


def _shuffled(files: list[Path], seed: str) -> list[Path]:
    return Random(seed).sample(files, len(files))


def _split_scenes(files: list[Path], config: ComposeConfig) -> dict[str, list[Path]]:
    shares = scene_shares(len(files), {split: config.images(split) for split in SPLITS})
    queue = iter(files)
    return {split: list(islice(queue, share)) for split, share in shares.items()}
