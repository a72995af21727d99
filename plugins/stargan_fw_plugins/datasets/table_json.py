"""Reads tables in JSON: objects line by line, and one text in the shapes that pandas and other programs write."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.column_kinds import IMAGE_NAME
from stargan_fw_plugins.datasets.records import Records
from stargan_fw_plugins.datasets.table_text import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

SHAPES = (
    'Write a list of objects, such as [{"image": "a.jpg", "species": "cat"}, …], or images with their labels, such as'
    ' {"a.jpg": "cat", …}.'
)


def read_json_lines(path: Path, encoding: str | None) -> Records:
    """Reads one object a line.

    Raises:
        DataError: a line is no object.
    """
    text, notes = read_text(path, encoding)
    return _read_lines(path, text, notes)


def _read_lines(path: Path, text: str, notes: Sequence[str]) -> Records:
    rows, lines = [], []
    for number, line in enumerate(re.split("\r\n|\r|\n", text), start=1):
        if line.strip():
            rows.append(_parse_object(f"{path}, line {number}", line))
            lines.append(number)
    return _records(str(path), rows, [f"{path}, line {number}" for number in lines], notes)


def read_json(path: Path, encoding: str | None) -> Records:
    """Reads a list of objects or of lists, columns, or images with their labels; or else one object a line.

    Raises:
        DataError: the text is no JSON, or has another shape.
    """
    text, notes = read_text(path, encoding)
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.strip().startswith("{") and line.strip().endswith("}") for line in lines):
        return _read_lines(path, text, notes)
    rows = _find_rows(_parse(str(path), text))
    if rows is None:
        raise DataError(f"{path}: not a table. {SHAPES}")
    return _records(str(path), rows, [f"{path}, entry {number + 1}" for number in range(len(rows))], notes)


def _records(header: str, rows: Sequence[Mapping[str, object]], places: Sequence[str], notes: Sequence[str]) -> Records:
    flat = [dict(_flatten(row)) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    return Records(
        header, names, len(flat), lambda name: [row.get(name) for row in flat], places.__getitem__, notes=notes
    )


def _parse(location: str, text: str) -> object:
    def build(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(
                f"{location}: '{twice}' is there twice in one object. Which one holds cannot be known: leave one."
            )
        return found

    try:
        return json.loads(text, object_pairs_hook=build)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{location}: not JSON: {error}. Correct it there, or write one JSON object per line."
        ) from None


def _parse_object(location: str, line: str) -> dict[str, object]:
    value = _parse(location, line)
    if not isinstance(value, dict):
        raise DataError(f"{location}: not a table: a JSON {type(value).__name__}. Write one JSON object per line.")
    return value


def _flatten(row: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _find_rows(value: object) -> list[dict[str, object]] | None:
    """Returns the rows of a table in any usual shape, or None."""
    if isinstance(value, list):
        return _rows_of_list(value)
    if not isinstance(value, dict) or not value:
        return None
    if {"columns", "data"} <= value.keys() and isinstance(value["columns"], list):  # pandas, "split"
        return _rows_of_list([value["columns"], *value["data"]]) if isinstance(value["data"], list) else None
    if all(map(IMAGE_NAME.fullmatch, value)):  # images with their labels
        return [
            {"image": name, **(cell if isinstance(cell, dict) else {"label": cell})} for name, cell in value.items()
        ]
    (first, *others) = value.values()
    if others or (isinstance(first, dict) and first and all(map(IMAGE_NAME.fullmatch, first))):
        return _rows_of_columns(value)
    return _find_rows(first)  # {"labels": [["a.jpg", 6], …]}


def _rows_of_list(value: Sequence[object]) -> list[dict[str, object]] | None:
    """Returns rows of objects, or of lists below a header; of lists without a header, images with a label."""
    if all(isinstance(row, dict) for row in value):
        return list(value)  # type: ignore[arg-type]
    lists = [row for row in value if isinstance(row, list)]
    if len(lists) < len(value) or len({len(row) for row in lists}) != 1 or len(lists[0]) < 2:
        return None
    header = lists[0]
    if all(isinstance(cell, str) for cell in header) and not any(map(IMAGE_NAME.fullmatch, header)):
        return [dict(zip(header, row, strict=True)) for row in lists[1:]] if len(set(header)) == len(header) else None
    return [{"image": row[0], "label": row[1]} for row in lists] if len(header) == 2 else None


def _rows_of_columns(value: Mapping[str, object]) -> list[dict[str, object]] | None:
    """Returns the rows of {column: cells}: cells are a list, or an object whose keys number or name the rows."""
    columns = [
        dict(enumerate(cells)) if isinstance(cells, list) else cells if isinstance(cells, dict) else {}
        for cells in value.values()
    ]
    keys = list(columns[0])
    if not keys or any(list(cells) != keys for cells in columns):
        return None
    named = {"image": keys} if all(isinstance(key, str) and IMAGE_NAME.fullmatch(key) for key in keys) else {}
    cells = {**{name: [cells[key] for key in keys] for name, cells in zip(value, columns, strict=True)}, **named}
    return [{name: column[row] for name, column in cells.items()} for row in range(len(keys))]
