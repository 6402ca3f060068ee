"""The sources by name, with what each has by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from causalogit.config import DataConfig
from causalogit.data.samples import Samples
from causalogit.data.sources.cifar import cifar10, cifar100
from causalogit.data.sources.digits import digits
from causalogit.data.sources.mnist import fashion_mnist, mnist


@dataclass(frozen=True)
class Source:
    """A data set.

    Attributes:
        load: reads it; lazily where it is large.
        summary: what it is, in a few words.
        attribute: the spurious attribute that is laid on it by default.
        meta_per_class: meta images of each class by default.
        validation_size, test_size: sizes by default; None for the source's own or a share.
    """

    load: Callable[[DataConfig], Samples]
    summary: str
    attribute: Literal["none", "background"] = "none"
    meta_per_class: int = 10
    validation_size: int | None = None
    test_size: int | None = None

    def fill_in(self, config: DataConfig) -> DataConfig:
        """The config with this source's defaults where it is silent."""
        attribute, meta = config.attribute, config.meta
        if attribute.kind is None:
            attribute = replace(attribute, kind=self.attribute)
        if meta.per_class is None:
            meta = replace(meta, per_class=self.meta_per_class)
        return replace(
            config,
            attribute=attribute,
            meta=meta,
            validation_size=config.validation_size or self.validation_size,
            test_size=config.test_size or self.test_size,
        )


SOURCES: dict[str, Source] = {
    "digits": Source(
        digits, "5,000 MNIST digits, five classes; no download", "background", 20, 400, 1000
    ),
    "mnist": Source(mnist, "MNIST, 28 x 28", validation_size=1000),
    "fashion_mnist": Source(fashion_mnist, "Fashion-MNIST, 28 x 28", validation_size=1000),
    "cifar10": Source(cifar10, "CIFAR-10, 32 x 32", validation_size=1000),
    "cifar100": Source(cifar100, "CIFAR-100, 32 x 32", validation_size=1000),
}


def find_source(name: str) -> Source:
    """A source by its name.

    Raises:
        ValueError: no source has this name.
    """
    if name not in SOURCES:
        raise ValueError(f"data.source '{name}' is not known: choose among {sorted(SOURCES)}")
    return SOURCES[name]
