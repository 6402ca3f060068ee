"""Which output of the classifier stands for which class of the photos."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def labels_in_outputs(
    labels: Tensor, class_names: Sequence[str], outputs: Sequence[str] | None, count: int
) -> tuple[Tensor, tuple[str, ...]]:
    """The photos' labels as numbers of the classifier's outputs, and the outputs' names.

    Raises:
        ValueError: the numbers of both differ and nothing is named, or a class has no output.
    """
    if outputs is None:
        if count != len(class_names):
            raise ValueError(
                f"the classifier has {count} outputs, the photos {len(class_names)} classes "
                f"({_some(class_names)}): name its outputs in their order with model.outputs, in a "
                "text file with a name a line"
            )
        return labels, tuple(class_names)
    if len(outputs) != count:
        raise ValueError(
            f"model.outputs has {len(outputs)} names ({_some(outputs)}), but the classifier has "
            f"{count} outputs: give one name for each"
        )
    places = {name: number for number, name in enumerate(outputs)}
    strangers = [name for name in class_names if name not in places]
    if strangers:
        raise ValueError(
            f"no output of the classifier is named {_some(strangers)} like a class of the photos; "
            f"its outputs are {_some(outputs)}: give both the same names"
        )
    return torch.tensor([places[name] for name in class_names])[labels], tuple(outputs)


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(str, names[:5])) + rest
