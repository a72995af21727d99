"""Reads tables: CSV, TSV, JSON lines and parquet."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.columns import Records

USUAL_NAMES = frozenset({"metadata", "labels"})


def find_table(location: Path) -> Path:
    """Returns `location` if it is a table, or the one table in the folder.

    Raises:
        DataError: there is no table, or several without a usual name.
    """
    if location.is_file():
        if location.suffix.lower() not in READERS:
            raise DataError(f"{location}: not a table. Name a file that ends in {', '.join(READERS)}.")
        return location
    if not location.is_dir():
        raise DataError(f"{location}: no such file or folder. Name the table with --datasets table:FILE.")
    tables = sorted(p for p in location.iterdir() if p.suffix.lower() in READERS and not p.name.startswith("."))
    usual = [path for path in tables if path.stem.lower() in USUAL_NAMES]
    for found in (tables, usual):
        if len(found) == 1:
            return found[0]
    held = f"several tables: {', '.join(path.name for path in tables)}" if tables else f"no {', '.join(READERS)} file"
    raise DataError(f"{location}: the folder holds {held}. Name the one with --datasets table:FILE.")


def read_table(path: Path) -> Records:
    """Reads a whole table.

    Raises:
        DataError: the file is no table, damaged or empty.
    """
    try:
        records = READERS[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from None
    if not records.rows:
        raise DataError(f"{path}: the table has no rows.")
    return records


def _read_separated(path: Path) -> Records:
    reader = csv.reader(io.StringIO(_read_text(path), newline=""), delimiter=_find_delimiter(path), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(f"{path}, line 1", header)
        rows, lines = [], []
        start = reader.line_num
        for cells in reader:
            if cells:
                _check_width(f"{path}, line {start + 1}", cells, header)
                rows.append(cells)
                lines.append(start + 1)
            start = reader.line_num
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: not a table: {error}. Correct the line.") from None
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}
    names = [name for name in header if name]
    return Records(f"{path}, line 1", names, len(rows), columns.__getitem__, lambda row: f"{path}, line {lines[row]}")


def _read_text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not UTF-8 text. Save the table as UTF-8.") from None


def _find_delimiter(path: Path) -> str:
    """Returns the separator of cells: in a .csv, the most frequent of comma, semicolon and tab in the header."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    with path.open("rb") as file:
        header = file.readline()
    return max(",;\t", key=lambda delimiter: header.count(delimiter.encode()))


def _check_header(location: str, header: Sequence[str]) -> None:
    if len(header) < 2:
        raise DataError(
            f"{location}: not a table: {len(header)} columns are named. The first line names all columns, one of image paths"
            " and at least one of labels, separated by commas, semicolons or tabs."
        )
    for index, name in enumerate(header):
        if not name and index:  # pandas leaves the first name empty, for its row numbers
            raise DataError(f"{location}: column {index + 1} has no name. Give it one.")
        if name in header[:index]:
            raise DataError(f"{location}: the column '{name}' is there twice. Rename or remove one of them.")


def _check_width(location: str, cells: Sequence[str], header: Sequence[str]) -> None:
    if len(cells) != len(header):
        raise DataError(
            f"{location}: {len(cells)} cells, but the header names {len(header)} columns."
            " Complete the line, or put quotes around a cell that contains a separator."
        )


def _read_json_lines(path: Path) -> Records:
    rows, lines = [], []
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if line.strip():
            rows.append(dict(_flatten(_parse_object(f"{path}, line {number}", line))))
            lines.append(number)
    names = list(dict.fromkeys(name for row in rows for name in row))

    def read(name: str) -> list[object]:
        return [row.get(name) for row in rows]

    return Records(str(path), names, len(rows), read, lambda row: f"{path}, line {lines[row]}")


def _parse_object(location: str, line: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{location}: not JSON: {error}. Every line is one object.") from None
    if not isinstance(value, dict):
        raise DataError(f"{location}: not a table: a JSON {type(value).__name__}. Every line is one object.")
    return value


def _flatten(row: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _read_parquet(path: Path) -> Records:
    try:
        table = pq.read_table(path, partitioning=None)
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a parquet file, or a damaged one: {str(error).splitlines()[0]}") from None
    while any(pa.types.is_struct(column.type) for column in table.schema):
        table = table.flatten()
    _check_header(str(path), table.column_names)
    names = [name for name in table.column_names if not name.startswith("__index_level_")]  # pandas' row numbers

    def read(name: str) -> list[object]:
        return list(table.column(name).to_pylist())

    return Records(str(path), names, len(table), read, lambda row: f"{path}, row {row}")


READERS: Mapping[str, Callable[[Path], Records]] = {
    ".csv": _read_separated,
    ".tsv": _read_separated,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
