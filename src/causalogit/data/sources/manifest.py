"""A table of photos: a CSV, TSV or Parquet file with a row for each."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from causalogit.config import DataConfig
from causalogit.data.samples import Samples
from causalogit.data.sources.files import Record, samples_from_records, split_name
from causalogit.data.sources.folder import PHOTO_SIZE

NEEDED: Final = ("image", "label")
OPTIONAL: Final = ("group", "mask", "box", "split")
SUFFIXES: Final = (".csv", ".tsv", ".parquet")

_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs"}
_NUL: Final = "\0"
_HAS_NUL: Final = "has a NUL byte, so it is no text or damaged: save the table anew"

Row = tuple[str, dict[str, str], str | None]
"""Where a row stands, its values by column, and what is wrong with it."""


def manifest(config: DataConfig) -> Samples:
    """The photos that a table names, one a row.

    Columns: `image` (a path relative to the table) and `label`; if wanted, `group` (the spurious
    attribute's value, such as the place; classes times these values are the groups), `mask` (a
    path) or `box` ("x0 y0 x1 y1" in pixels of the upright photo), and `split` ("train",
    "validation", "test" or "meta").

    Raises:
        ValueError: a column is missing or not known, or rows cannot be used.
    """
    path = Path(config.source)
    if config.mask_path is not None:
        raise ValueError(f"data.mask_path is for folders: name the masks of {path} in column mask")
    return samples_from_records(
        manifest_records(path),
        source=str(path),
        size=config.image_size or PHOTO_SIZE,
        memory=config.memory,
    )


def manifest_records(path: Path) -> list[Record]:
    """A record of every row of a table.

    Raises:
        ValueError: the table cannot be read, or a column is missing or not known.
    """
    return [_record(path.parent, row) for row in _rows(path)]


def read_table(path: Path, delimiter: str = ",") -> tuple[list[str], Iterator[Row]]:
    """Columns and rows of a CSV file; a row of another length than the header is a problem.

    Raises:
        ValueError: the file is missing, empty, not UTF-8, or separates its columns otherwise.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: save it as such") from error
    lines = _lines(path, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    columns = [column.strip() for column in next(lines, [])]
    if not columns:
        raise ValueError(f"{path} is empty")
    if any(_NUL in column for column in columns):
        raise ValueError(f"{path}, row 1: {_HAS_NUL}")
    for other, name in _DELIMITERS.items():
        if len(columns) == 1 and other in columns[0]:
            raise ValueError(
                f"{path} has {name} between its columns, where {_DELIMITERS[delimiter]} must be: "
                f"save it with {_DELIMITERS[delimiter]}"
            )
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        raise ValueError(f"{path} has two columns named '{twice[0]}'")
    return columns, _as_rows(path.name, columns, enumerate(lines, start=2))  # as spreadsheets count


def _lines(path: Path, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise ValueError(
            f"{path} is not a table that can be read ({error}): is a quotation mark left open?"
        ) from error


def _as_rows(
    name: str, columns: Sequence[str], lines: Iterable[tuple[int, list[str]]]
) -> Iterator[Row]:
    for number, values in lines:
        if not values:
            continue
        where = f"{name}, row {number}"
        if any(_NUL in value for value in values):
            yield where, {}, _HAS_NUL  # no path may have one
            continue
        problem = None
        if len(values) != len(columns):
            problem = f"has {len(values)} values for {len(columns)} columns"
        content = dict(zip(columns, map(str.strip, values), strict=False))
        yield where, content, problem


def check_columns(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    """Whether a table has the columns that it must have.

    Raises:
        ValueError: one is missing.
    """
    missing = [name for name in needed if name not in columns]
    if missing:
        raise ValueError(
            f"{path} has no column {' and no column '.join(missing)}: its columns are "
            f"{', '.join(columns)}"
        )


def _rows(path: Path) -> Iterator[Row]:
    if path.suffix.lower() == ".parquet":
        columns, rows = _read_parquet(path)
    else:
        columns, rows = read_table(path, "\t" if path.suffix.lower() == ".tsv" else ",")
    check_columns(path, columns, NEEDED)
    unknown = [name for name in columns if name not in (*NEEDED, *OPTIONAL)]
    if unknown:
        raise ValueError(
            f"{path} has columns that are not known: "
            f"{', '.join(name or '(one without a name)' for name in unknown)}; rename or remove "
            "them (pandas writes no index with index=False), known are "
            f"{', '.join((*NEEDED, *OPTIONAL))}"
        )
    return rows


def _read_parquet(path: Path) -> tuple[list[str], Iterator[Row]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError(
            f"{path} is a Parquet file: install pyarrow for it, pip install 'causalogit[data]'"
        ) from error
    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise ValueError(f"{path} is not a readable Parquet file ({error})") from error
    columns = list(table.column_names)
    lines = ([_text(row[name]) for name in columns] for row in table.to_pylist())
    return columns, _as_rows(path.name, columns, enumerate(lines, start=1))


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value).strip()


def _record(folder: Path, row: Row) -> Record:
    where, values, problem = row
    box, bad_box = _box(values)
    if problem is None and not values["image"]:
        problem = "the image is empty"
    mask = values.get("mask")
    return Record(
        where=where,
        image=folder / values.get("image", ""),
        label=values.get("label", ""),
        group=values.get("group") or None,
        mask=folder / mask if mask else None,
        box=box,
        split=split_name(values.get("split", "")) or None,
        problem=problem or bad_box,
    )


def _box(values: Mapping[str, str]) -> tuple[tuple[float, float, float, float] | None, str | None]:
    text = values.get("box")
    if not text:
        return None, None
    try:
        x0, y0, x1, y1 = map(float, text.replace(",", " ").split())
    except ValueError:
        return None, f"the box '{text}' is not four numbers: give x0 y0 x1 y1, in pixels"
    return (x0, y0, x1, y1), None
