"""From a config to four disjoint splits: read, carve, lay the biases on, in this order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from causalogit.config import DataConfig
from causalogit.data.batch import Split
from causalogit.data.biases import transition_matrix
from causalogit.data.describe import describe, describe_origins
from causalogit.data.images import places_in_source
from causalogit.data.lay_on import (
    choose_attributes,
    painted_split,
    with_masks,
    with_meta_set,
    with_noise,
)
from causalogit.data.places import keep_long_tail, split_places
from causalogit.data.samples import united
from causalogit.data.sources import find_source
from causalogit.data.sources.files import records_of
from causalogit.data.transforms import TRANSFORMS

_MEAN_OF = 2**24  # values of training images that the mean colour is taken from, at most


@dataclass(frozen=True)
class Data:
    """The four splits of a data set; no sample is in two of them.

    Attributes:
        train, meta, validation, test: the splits.
        class_names: one a class.
        attribute_names: one an attribute; a single one where there are no attributes.
        object_name: what an image shows, as one word.
        mean: mean colour of the training images, `(K,)`.
        name: the source and its biases in words.
        origins: where each split came from, in words.
    """

    train: Split
    meta: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    object_name: str
    mean: Tensor
    name: str
    origins: Mapping[str, str]

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def num_groups(self) -> int:
        """Classes times attributes."""
        return self.num_classes * len(self.attribute_names)

    @property
    def channels(self) -> int:
        """K."""
        return self.train.images.shape[0]

    @cached_property
    def fingerprint(self) -> str:
        """Differs where other images, or the same with other labels, are in one of the splits.

        Of files it goes by their names, so that a folder may be moved, else by the images' places
        in their source; masks do not count.
        """
        digest = hashlib.blake2b(repr(self.class_names).encode(), digest_size=16)
        for split in (self.train, self.meta, self.validation, self.test):
            digest.update(split.labels.numpy().tobytes())
            records = records_of(split.images)
            if records is None:
                for places in places_in_source(split.images):
                    digest.update(places.numpy().tobytes())
            else:
                names = "\0".join(record.image.name for record in records)
                digest.update(names.encode(errors="surrogateescape"))
        return digest.hexdigest()

    @property
    def class_counts(self) -> Tensor:
        """Training images of each class, by their labels, `(C,)`."""
        return torch.bincount(self.train.labels, minlength=self.num_classes)

    @property
    def group_counts(self) -> Tensor:
        """Training images of each group, `(G,)`."""
        return torch.bincount(self.train.groups, minlength=self.num_groups)


def build_data(config: DataConfig, seed: int) -> Data:
    """Read the source, split it, lay the biases on the splits.

    Only training images get long tails, wrong labels and other masks than exact ones (a meta set
    that is drawn like training shares the former two). Validation and test are balanced over the
    attributes that are laid on; under the protocol "clt" they have training's long tail of them.

    Raises:
        ValueError: the source is not known, or the sizes or biases do not fit it.
    """
    source = find_source(config.source)
    config = source.fill_in(config)
    samples = source.load(config)
    if config.classes:
        samples = united(samples, config.classes)
    generator = torch.Generator().manual_seed(seed)
    places = split_places(samples, config, generator)
    left = len(places["train"])
    places["train"] = keep_long_tail(places["train"], samples, config, generator)
    attributes, names = choose_attributes(samples, places, config, generator)
    splits = {
        name: painted_split(samples, config, index, attributes[name], len(names))
        for name, index in places.items()
    }
    matrix = transition_matrix(config.noise.kind, config.noise.rate, samples.num_classes, generator)
    splits["train"] = with_noise(splits["train"], config, matrix, len(names), generator)
    splits |= with_meta_set(splits, config, matrix, len(names), samples.num_classes, generator)
    splits = with_masks(splits, config, generator)
    transform = TRANSFORMS[config.transform]
    for name in ("train", "meta"):
        splits[name] = replace(splits[name], transform=transform)
    return Data(
        **splits,
        class_names=samples.class_names,
        attribute_names=names,
        object_name=samples.object_name,
        mean=_mean_colour(splits["train"]),
        name=describe(config),
        origins=describe_origins(config, splits, samples, left),
    )


def _mean_colour(split: Split) -> Tensor:
    """Mean of the training images, `(K,)`; of every n-th where there are very many."""
    values = len(split) * split.images.shape[0] * split.images.shape[1] * split.images.shape[2]
    index = torch.arange(0, len(split), -(-values // _MEAN_OF))
    if len(index) == len(split):
        return split.everything().images.mean((0, 2, 3))
    parts = [split.batch(own).images.double().mean((2, 3)) for own in index.split(256)]
    return torch.cat(parts).mean(0).float()
