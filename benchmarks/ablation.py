r"""What the perturbation network should see, and how it should say it.

    python -m benchmarks.ablation --settings labels --path FASHION
    python -m benchmarks.ablation --settings boxes

Wrong labels with `clp_adjusted`: one characteristic or a group is left out, one replaced, the
causal ones added; other output forms, depths and widths. Coloured digits and boxes with
`clp_factual`: groups, causal ones and forms alone. Keeps its runs in runs/ablation, writes
docs/results/ablation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from benchmarks.digits import STUDY as DIGITS
from benchmarks.masks import masked
from benchmarks.study import Study, Variant, main
from causalogit.config import ClpConfig, NetworkConfig, RunConfig
from causalogit.core import CAUSAL, GROUPS, THE_TEN
from causalogit.presets import load_preset

METHODS = {"labels": "clp_adjusted", "boxes": "clp_factual"}
BOTH = (*THE_TEN, *CAUSAL)


def choices() -> Iterator[tuple[str, ClpConfig]]:
    """What is changed, by name."""
    yield from coarse()
    for name in THE_TEN:
        yield f"without {name}", ClpConfig(without=(name,))
    yield "loss alone", ClpConfig(characteristics=("loss",))
    yield "confidence for entropy", ClpConfig(replace={"entropy": "confidence"})
    yield "feature norm for cosine", ClpConfig(replace={"cosine": "feature_norm"})
    yield "depth 1", ClpConfig(network=NetworkConfig(depth=1))
    yield "depth 3", ClpConfig(network=NetworkConfig(depth=3))
    yield "10 hidden units", ClpConfig(network=NetworkConfig(hidden=10))


def coarse() -> Iterator[tuple[str, ClpConfig]]:
    """What matters if anything does: groups of characteristics, the causal ones, output forms."""
    for group in GROUPS:
        yield f"without {group}", ClpConfig(without=(group,))
    yield "with the causal ones", ClpConfig(characteristics=BOTH)
    yield "the causal ones alone", ClpConfig(characteristics=CAUSAL)
    yield "target", ClpConfig(network=NetworkConfig("target", 5.0))
    yield "vector", ClpConfig(network=NetworkConfig("vector", 5.0))
    yield "contrast", ClpConfig(network=NetworkConfig("contrast", 5.0))
    yield "expert", ClpConfig(network=NetworkConfig("expert", 1.0))
    yield "expert and target", ClpConfig(network=NetworkConfig("expert_target", 5.0))


def with_shift() -> tuple[str, ClpConfig]:
    """How far another background moves the prediction, beside the ten: it needs masks."""
    return "with background shift", ClpConfig(characteristics=(*THE_TEN, "background_shift"))


def with_clp(config: RunConfig, clp: ClpConfig) -> RunConfig:
    """The config with these choices, and its own fills and meta batches."""
    own = config.clp
    clp = replace(clp, meta_batch_size=own.meta_batch_size, factual=own.factual)
    return replace(config, clp=clp)


def variants(method: str, changes: Iterable[tuple[str, ClpConfig]]) -> list[Variant]:
    """A method with each of these choices."""

    def variant(name: str, clp: ClpConfig) -> Variant:
        return Variant(method, name, lambda config: with_clp(config, clp))

    return [variant(name, clp) for name, clp in changes]


_VARIANTS = {
    "labels": variants(METHODS["labels"], choices()),
    "boxes": variants(METHODS["boxes"], (*coarse(), with_shift())),  # a run takes longer there
}

STUDY = Study(
    name="ablation",
    settings={
        "labels": load_preset("fashion-flip-40-small"),
        "boxes": masked(DIGITS.settings["0.95"], "box", 1.0),
    },
    methods=tuple(METHODS.values()),
    variants=[variant for own in _VARIANTS.values() for variant in own],
    metrics=DIGITS.metrics,
    against=tuple(METHODS.values()),
    lines_of={
        setting: [METHODS[setting], *(variant.name for variant in own)]
        for setting, own in _VARIANTS.items()
    },
)

if __name__ == "__main__":
    main(STUDY, __doc__)
