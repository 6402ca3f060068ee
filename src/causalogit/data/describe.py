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
    if config.classes:
        words.append("/".join(config.classes))
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
    if config.masked_share < 1:
        words.append(f"masks on {100 * config.masked_share:g} %")
    if config.meta.drawn == "like_training":
        words.append("biased meta set")
    if config.meta.labels == "like_training":
        words.append("noisy meta set")
    return ", ".join(words)


def describe_origins(
    config: DataConfig, splits: Mapping[str, Split], samples: Samples, left: int
) -> dict[str, str]:
    """Where each split came from, by its name.

    Args:
        config: with all defaults filled in.
        splits: the four, biased.
        samples: the source's.
        left: its training images that no other split was carved out of.
    """
    own = {name: bool(len(samples.part(name))) for name in splits}
    origins = {
        name: f"{len(split)} images; {'the own' if own[name] else 'carved out of the training'} "
        f"{name if own[name] else ''} images of {config.source}".replace("  ", " ")
        for name, split in splits.items()
        if name != "meta"
    }
    origins["train"] = _training_origin(config, splits, left)
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


def _training_origin(config: DataConfig, splits: Mapping[str, Split], left: int) -> str:
    size, drawn = len(splits["train"]), config.meta.drawn == "like_training"
    kept = size + drawn * len(splits["meta"])  # it is drawn from what is kept
    if kept == left:
        return f"{size} images, all others that {config.source} trains on"
    cut = f"at most {config.largest_class} images a class"
    if config.attribute.ratio > 1 and config.attribute.protocol == "alt":
        cut = "classes of the same size"
    elif config.long_tail.ratio > 1:
        cut = "a long tail"
    return (
        f"{size} of the {left} training images of {config.source} that were left, cut to {cut}"
        + (", without the meta images" if drawn else "")
    )
