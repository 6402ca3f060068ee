"""A data set of torch as photos that are read when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from causalogit.config.check import one_line
from causalogit.data import Samples
from causalogit.data.images import Pixels


class Dataset(Protocol):
    """What `torch.utils.data.Dataset` gives: a photo `(K, H, W)`, its label, and a mask, if any."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def from_dataset(dataset: Dataset, class_names: Sequence[str] | None = None) -> Samples:
    """The photos of a data set as torch has them, read one by one when they are asked for.

    Args:
        dataset: photos of one size, in [0, 1]; masks `(1, H, W)` or `(H, W)` in [0, 1], if any.
        class_names: one a class; by default what `dataset.classes` says, or numbers.

    Raises:
        ValueError: it is empty, or its items are not like that.
    """
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise ValueError(
            f"a {type(dataset).__name__} has no items by number: give the data set itself (of a "
            "DataLoader, its .dataset)"
        )
    if not len(dataset):
        raise ValueError("the data set has no images: give at least a few of each class")
    items = _Items(dataset)
    given = getattr(dataset, "targets", None)
    if given is None:  # then they are only known from the items
        given = [dataset[place][1] for place in range(len(dataset))]
    try:
        labels = torch.as_tensor(given).long()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"the labels are no whole numbers ({one_line(error)}): give numbers from 0 on, and "
            "class_names for them"
        ) from error
    names = class_names or getattr(dataset, "classes", None)
    names = names or [str(number) for number in range(int(labels.max()) + 1)]
    if labels.shape != (len(dataset),) or not 0 <= int(labels.min()) <= int(labels.max()) < len(
        names
    ):
        raise ValueError(
            f"labels run from {int(labels.min())} to {int(labels.max())} for {len(names)} class "
            "names: give one name for every class, and labels from 0 on"
        )
    return Samples(items, labels, tuple(map(str, names)))


class _Items:
    """A data set's items as batches; only what is read is checked."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        first = dataset[0]
        self.has_masks = isinstance(first, (tuple, list)) and len(first) > 2
        self._check_kinds(0, first)
        self.shape: tuple[int, int, int] = tuple(first[0].shape)

    def __len__(self) -> int:
        return len(self._dataset)

    def read(self, index: Tensor) -> Pixels:
        items = [self._dataset[place] for place in index.tolist()]
        for place, item in zip(index.tolist(), items, strict=True):
            self._check_kinds(place, item)
            photo = item[0]
            if photo.shape != self.shape:
                raise ValueError(
                    f"photo {place} has the shape {tuple(photo.shape)}, the first {self.shape}: "
                    "resize all to one size"
                )
            if not (photo.min() >= 0 and photo.max() <= 1):
                raise ValueError(
                    f"photo {place} has values from {photo.min():g} to {photo.max():g}: give "
                    "photos in [0, 1], and let the model normalise (model.mean and model.std)"
                )
            if self.has_masks and item[2].numel() != photo[0].numel():
                raise ValueError(
                    f"the mask of photo {place} has the shape {tuple(item[2].shape)}, the photo "
                    f"{self.shape}: resize masks like their photos"
                )
        photos = torch.stack([item[0] for item in items]).float()  # weights are single precision
        if not self.has_masks:
            return photos, None
        return photos, torch.stack([item[2].reshape(1, *self.shape[1:]) for item in items]).float()

    def _check_kinds(self, place: int, item: Any) -> None:
        least = 3 if self.has_masks else 2
        whole = isinstance(item, (tuple, list)) and len(item) >= least and _is_photo(item[0])
        if whole and (not self.has_masks or isinstance(item[2], Tensor)):
            return
        raise ValueError(
            "every item of the data set must be (photo, label) or every one (photo, label, mask), "
            "the photo a float tensor (K, H, W), the mask a tensor (1, H, W) or (H, W); number "
            f"{place} is {_kinds(item)}"
        )


def _is_photo(value: object) -> bool:
    return isinstance(value, Tensor) and value.dim() == 3 and value.is_floating_point()


def _kinds(item: object) -> str:
    if not isinstance(item, (tuple, list)):
        return type(item).__name__
    parts = (
        f"tensor of {v.dtype} {tuple(v.shape)}" if isinstance(v, Tensor) else type(v).__name__
        for v in item
    )
    return f"({', '.join(parts)})"
