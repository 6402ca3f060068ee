"""CelebA as the community uses it for spurious correlations: blond hair, by gender."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from causalogit.config import DataConfig
from causalogit.data.samples import PARTS, Samples
from causalogit.data.sources.files import Record, samples_from_records
from causalogit.data.sources.folder import PHOTO_SIZE
from causalogit.data.sources.manifest import check_columns, read_table

TARGET: Final = "Blond_Hair"
ATTRIBUTE: Final = "Male"
_URL = "https://www.kaggle.com/datasets/jessicali9530/celeba-dataset"


def celeba(config: DataConfig) -> Samples:
    """162,770 + 19,867 + 19,962 faces, blond or not; the spurious attribute is the gender.

    The splits are the authors' own (Sagawa et al. 2020, arXiv 1911.08731). `data.path` holds
    `list_attr_celeba` and `list_eval_partition`, as .csv (Kaggle, WILDS) or .txt (the authors,
    torchvision), and the folder `img_align_celeba`.

    Raises:
        ValueError: a file is missing, or names photos that are not there.
    """
    if config.path is None:
        raise ValueError(
            "celeba is not downloaded: set data.path to the folder of list_attr_celeba.csv, "
            f"list_eval_partition.csv and img_align_celeba ({_URL})"
        )
    root = Path(config.path)
    images = root / "img_align_celeba"
    if (images / "img_align_celeba").is_dir():  # as Kaggle packs it
        images = images / "img_align_celeba"
    partition = {
        values["image_id"]: values["partition"]
        for _, values in _table(root, "list_eval_partition", ("image_id", "partition"))
    }
    records = [
        _record(images, where, values, partition)
        for where, values in _table(root, "list_attr_celeba", ("image_id", TARGET, ATTRIBUTE))
    ]
    return samples_from_records(
        records,
        source=f"celeba in {root}",
        size=config.image_size or PHOTO_SIZE,
        memory=config.memory,
        decode=False,
        class_names=("not blond", "blond"),
        attribute_names=("female", "male"),
        object_name="face",
    )


def _record(
    images: Path, where: str, values: Mapping[str, str], partition: Mapping[str, str]
) -> Record:
    name = values["image_id"]
    split = partition.get(name, "")
    known = split in ("0", "1", "2")
    return Record(
        where=where,
        image=images / name,
        label="blond" if values.get(TARGET) == "1" else "not blond",
        group="male" if values.get(ATTRIBUTE) == "1" else "female",
        split=PARTS[int(split)] if known else None,
        problem=None if known else f"{name} is not in list_eval_partition",
    )


def _table(root: Path, name: str, needed: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Rows of one of the two lists."""
    if (path := root / f"{name}.csv").is_file():
        columns, rows = read_table(path)
        check_columns(path, columns, needed)
        return [(where, values) for where, values, problem in rows if _complete(where, problem)]
    if (path := root / f"{name}.txt").is_file():
        return _text_table(path, needed)
    raise ValueError(f"{root} has neither {name}.csv nor {name}.txt: get it from {_URL}")


def _complete(where: str, problem: str | None) -> bool:
    if problem is not None:
        raise ValueError(f"{where}: {problem}")
    return True


def _text_table(path: Path, needed: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """The authors' form: columns between blanks, named in the second line where there are many."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: get it from {_URL}") from error
    columns, first = list(needed), 0
    if len(needed) > 2:
        if len(lines) < 2:
            raise ValueError(f"{path} is cut short: get it from {_URL}")
        columns, first = ["image_id", *lines[1].split()], 2
        check_columns(path, columns, needed)
    rows = []
    for number, line in enumerate(lines[first:], start=first + 1):
        values = line.split()
        if len(values) != len(columns):
            raise ValueError(
                f"{path.name}, line {number}: has {len(values)} values for {len(columns)} columns"
            )
        rows.append((f"{path.name}, line {number}", dict(zip(columns, values, strict=True))))
    return rows
