"""Which output of the classifier stands for which class of the photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor


def require_one_order(class_names: Sequence[str], outputs: Sequence[str] | None) -> None:
    """Refuse to guess the order of outputs where folders named by numbers have two.

    Others (torchvision's `ImageFolder`) sort 1, 10, 2; photos here are sorted 1, 2, 10.

    Args:
        class_names: of photos that were read from files.
        outputs: names of the classifier's outputs, if they are known.

    Raises:
        ValueError: it is not known which of both the classifier was trained with.
    """
    numbers = all(name.isdecimal() for name in class_names)
    if outputs is None and numbers and list(class_names) != sorted(class_names):
        raise ValueError(
            f"the classes are numbers ({_some(class_names)}), which training may have sorted as "
            "such or as text (1, 10, 2, as torchvision does): name the classifier's outputs in "
            "their order with model.outputs, in a text file with a name a line"
        )


def output_names(given: Sequence[str] | str) -> tuple[str, ...] | None:
    """The names of a classifier's outputs, from `model.outputs`; None where it is empty.

    Args:
        given: names, or in one text either the path of a file with a name a line, or names with
            commas between.

    Raises:
        ValueError: there is no such file, or a name is there twice.
    """
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names:
        return None
    if len(names) == 1:
        lines = names[0].split(",")
        if (file := Path(names[0])).is_file():
            try:
                lines = file.read_text(encoding="utf-8-sig").splitlines()
            except UnicodeDecodeError as error:
                raise ValueError(f"model.outputs {file} is not UTF-8: save it as UTF-8") from error
        elif len(lines) == 1:
            raise ValueError(
                f"model.outputs {names[0]}: there is no such file; give a text file with a name a "
                "line, or the names themselves, as cat,dog"
            )
        names = tuple(line.strip() for line in lines if line.strip())
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"model.outputs names '{twice[0]}' twice: give every output its own name")
    return names


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
            f"its outputs are {_some(outputs)}: give both the same names (those of the outputs are "
            "set with model.outputs)"
        )
    return torch.tensor([places[name] for name in class_names])[labels], tuple(outputs)


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(str, names[:5])) + rest
