"""A data set and its biases in words, for tables, run folders and reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from causalogit.config import DataConfig
from causalogit.data.batch import Split
from causalogit.data.samples import Samples


def describe(config: DataConfig) -> str:
    """The source and what was laid on it, such as "cifar10, long tail 100:1"."""
    words = [Path(config.source).name if "/" in config.source else config.source]
    if config.largest_class is not None:
        words.append(f"at most {config.largest_class} images a class")
    if config.long_tail.ratio > 1:
        words.append(f"long tail {config.long_tail.ratio:g}:1")
    bias = config.attribute
    if bias.kind != "none" and bias.ratio > 1:
        words.append(f"{bias.kind} long tail {bias.ratio:g}:1 ({bias.protocol.upper()})")
    elif bias.kind != "none":
        words.append(f"{bias.kind} correlation {bias.correlation:g}")
    if config.noise.kind != "none":
        words.append(f"{config.noise.kind} noise {config.noise.rate:g}")
    if config.masks != "exact":
        words.append(f"{config.masks} masks")
    if config.meta.drawn == "like_training":
        words.append("biased meta set")
    if config.meta.labels == "like_training":
        words.append("noisy meta set")
    return ", ".join(words)


def describe_origins(
    config: DataConfig, splits: Mapping[str, Split], samples: Samples
) -> dict[str, str]:
    """Where each split came from, by its name."""
    own = {name: bool(len(samples.part(name))) for name in splits}
    origins = {
        name: f"{len(split)} images; {'the own' if own[name] else 'carved out of the training'} "
        f"{name if own[name] else ''} images of {config.source}".replace("  ", " ")
        for name, split in splits.items()
        if name != "meta"
    }
    origins["train"] = f"{len(splits['train'])} images, all others that {config.source} trains on"
    meta = config.meta
    if own["meta"]:
        origins["meta"] = f"{len(splits['meta'])} images; the own meta images of {config.source}"
    else:
        drawn = "balanced" if meta.drawn == "balanced" else "drawn like training"
        labels = "clean labels" if meta.labels == "clean" else "labels as in training"
        origins["meta"] = (
            f"{len(splits['meta'])} images out of the {meta.taken_from} images of "
            f"{config.source}, {drawn}, {labels}"
        )
    return origins
