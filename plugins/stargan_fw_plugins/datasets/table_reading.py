"""Reads tables: CSV, TSV, JSON, parquet and Arrow."""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.column_kinds import IMAGE_NAME, MISSING_OR_CLASS, find_missing, is_number
from stargan_fw_plugins.datasets.records import Records
from stargan_fw_plugins.datasets.spellings import clean
from stargan_fw_plugins.datasets.table_files import find_split, is_packed, read_bytes, table_kind
from stargan_fw_plugins.datasets.table_json import read_json, read_json_lines
from stargan_fw_plugins.datasets.table_text import DECIMAL_COMMA, Lines, read_text

THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})*(\.\d+)?|0")
NO_NAME = "\0"  # begins the name of a column without one


def read_tables(paths: Sequence[Path], encoding: str | None = None) -> Records:
    """Reads one table, or several as one, with the split of each in the column `split`; raises as `read_table` does.

    Raises:
        DataError: the tables have different columns.
    """
    tables = [read_table(path, encoding) for path in paths]
    first = tables[0]
    if len(tables) == 1:
        return first
    odd = next((table for table in tables if set(table.names) != set(first.names)), None)
    if odd is not None:
        different = ", ".join(sorted(set(first.names) ^ set(odd.names)))
        raise DataError(
            f"{paths[0].parent}: {', '.join(path.name for path in paths)} are called like splits, but differ in the columns"
            f" {different}. Name the one to learn with --datasets table:FILE."
        )
    starts = [0, *accumulate(table.rows for table in tables)]

    def read(column: str) -> list[object]:
        if column == "split" and column not in first.names:
            return [find_split(path) for path, table in zip(paths, tables, strict=True) for _ in range(table.rows)]
        return [cell for table in tables for cell in table.read(column)]

    def locate(row: int) -> str:
        index = bisect_right(starts, row) - 1
        return tables[index].locate(row - starts[index])

    names = [*first.names, *(["split"] if "split" not in first.names else [])]
    notes = [note for table in tables for note in table.notes]
    notes.append(f"the tables {', '.join(path.name for path in paths)} were read as one, each as a split")
    return Records(first.header, names, starts[-1], read, locate, notes=notes)


def read_table(path: Path, encoding: str | None = None) -> Records:
    """Reads a whole table; a text in the given encoding, or by default in the one that fits.

    Raises:
        DataError: the file is no table, damaged or empty.
    """
    try:
        records = READERS[table_kind(path)](path, encoding)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}. Check its path.") from None
    if not records.rows:
        raise DataError(f"{path}: the table has no rows. Add one for each image.")
    return records


def _read_separated(path: Path, encoding: str | None) -> Records:
    text, notes = read_text(path, encoding)
    lines = Lines(path, text)
    location = f"{path}, line 1"
    header = [clean(name) for name in _name_columns(location, lines)]
    width = len(header)
    rows = [
        (number, cells if len(cells) == width else _fit(f"{path}, line {number}", cells, header))
        for number, cells in lines.rows
    ]
    notes = [*notes, *lines.notes]
    if lines.header is None:
        notes = [*notes, f"'{path.name}' has no header: its columns are called {', '.join(header)}"]
    columns = dict(zip(header, map(list, zip(*(cells for _, cells in rows), strict=True)), strict=True)) if rows else {}
    for name in [name for name in header if name.startswith(NO_NAME)]:
        if (
            any(columns.get(name, ())) and name != NO_NAME + "0"
        ):  # pandas leaves the first name empty, for its row numbers
            raise DataError(f"{location}: column {int(name.removeprefix(NO_NAME)) + 1} has no name. Give it one.")
    names = [name for name in header if not name.startswith(NO_NAME)]

    def read(name: str) -> Sequence[object]:
        return _read_commas(columns[name], lines.delimiter)

    return Records(location, names, len(rows), read, lambda row: f"{path}, line {rows[row][0]}", notes=notes)


def _name_columns(location: str, lines: Lines) -> list[str]:
    """Returns the columns' names: of a list without a header, image and label; and NO_NAME and a number for no name."""
    header = lines.header
    if header is None:
        first = lines.rows[0][1] if lines.rows else []
        image = next((index for index, cell in enumerate(first) if IMAGE_NAME.fullmatch(cell)), 0)
        others = iter(
            ["label"] if len(first) == 2 else [f"column{index + 1}" for index in range(len(first)) if index != image]
        )
        header = ["image" if index == image else next(others) for index in range(len(first))]
    if lines.rows and not header[0] and IMAGE_NAME.fullmatch(lines.rows[0][1][0]):  # the index of a pandas table
        header = ["image" if "image" not in header else "index", *header[1:]]
    width = max((len(cells) for _, cells in lines.rows), default=len(header))
    while len(header) > max(width, 1) and not header[-1]:  # a separator at the end of the first line only
        header = header[:-1]
    _check_header(location, header)
    return [name or f"{NO_NAME}{index}" for index, name in enumerate(header)]


def _fit(location: str, cells: list[str], header: Sequence[str]) -> list[str]:
    """Returns a row as wide as the header: without empty cells at its end; DataError if others are too many or too few."""
    while len(cells) > len(header) and not cells[-1]:
        cells = cells[:-1]
    _check_width(location, cells, header)
    return cells


def _read_commas(cells: Sequence[str], delimiter: str) -> Sequence[object]:
    """Returns cells with decimal points if all are numbers with decimal commas, or empty; without commas of thousands.

    In "1,234" the comma is one of thousands if commas divide the cells, too: who writes decimal commas divides cells
    otherwise.
    """
    known = set(cells)
    filled = {cell for cell in known - find_missing(known) if cell and cell.casefold() not in MISSING_OR_CLASS}
    commas = max((cell.count(",") for cell in filled), default=0)
    if commas and (delimiter == "," or commas > 1) and all(map(THOUSANDS.fullmatch, filled)):
        return [cell.replace(",", "") for cell in cells]
    if any(map(DECIMAL_COMMA.fullmatch, filled)) and all(is_number(cell.replace(",", ".")) for cell in filled):
        return [cell.replace(",", ".") for cell in cells]
    return cells


def _check_header(location: str, header: Sequence[str]) -> None:
    if len(header) < 2:
        raise DataError(
            f"{location}: not a table: {len(header)} columns are named. Name all columns in the first line, one of image paths"
            " and at least one of labels, separated by commas, semicolons or tabs."
        )
    for index, name in enumerate(header):
        if name and name in header[:index]:
            raise DataError(f"{location}: the column '{name}' is there twice. Rename or remove one of them.")


def _check_width(location: str, cells: Sequence[str], header: Sequence[str]) -> None:
    if len(cells) != len(header):
        raise DataError(
            f"{location}: {len(cells)} cells, but the header names {len(header)} columns."
            " Complete the line, or put quotes around a cell that contains a separator."
        )


def _read_parquet(path: Path, _: str | None) -> Records:
    try:
        table = pq.read_table(pa.BufferReader(read_bytes(path)) if is_packed(path) else path, partitioning=None)
    except pa.ArrowException as error:
        raise DataError(
            f"{path}: not a parquet file, or a damaged one ({str(error).splitlines()[0]}). Write it anew."
        ) from None
    return _read_columns(path, table)


def _read_arrow(path: Path, _: str | None) -> Records:
    data = read_bytes(path)
    try:
        if data.startswith((b"ARROW1", b"FEA1")):
            return _read_columns(path, feather.read_table(pa.BufferReader(data)))
        return _read_columns(path, pa.ipc.open_stream(data).read_all())
    except pa.ArrowException as error:
        raise DataError(
            f"{path}: not an Arrow file, or a damaged one ({str(error).splitlines()[0]}). Write it anew."
        ) from None


def _read_columns(path: Path, table: pa.Table) -> Records:
    while any(pa.types.is_struct(column.type) for column in table.schema):
        table = table.flatten()
    _check_header(str(path), table.column_names)
    names = [
        name
        for name in table.column_names
        if not name.startswith("__index_level_") or pa.types.is_string(table.schema.field(name).type)
    ]  # without pandas' row numbers, but with an index of files

    def read(name: str) -> list[object]:
        return list(table.column(name).to_pylist())

    return Records(str(path), names, len(table), read, lambda row: f"{path}, row {row}")


READERS: Mapping[str, Callable[[Path, str | None], Records]] = {
    ".csv": _read_separated,
    ".tsv": _read_separated,
    ".txt": _read_separated,
    ".lst": _read_separated,
    ".list": _read_separated,
    ".tab": _read_separated,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".parquet": _read_parquet,
    **dict.fromkeys((".feather", ".arrow", ".ipc"), _read_arrow),
}
