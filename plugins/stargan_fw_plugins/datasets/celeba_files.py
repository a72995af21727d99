"""Reads CelebA's annotation files: at once if they are well-formed, else line by line, to say what is wrong and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from stargan_fw.errors import DataError, closest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

VALUES = ("-1", "1")


class AttributeFile:
    """`list_attr_celeba.txt`: a line with the count, a line with the column names, then a line per image.

    Attributes:
        path: the file.
        columns: the names of its columns, in order.

    Raises:
        DataError: the first line is not a count.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        first, header, self._rows = [*path.read_bytes().split(b"\n", 2), b"", b""][:3]
        self._count = self._parse_count(_decode(first))
        self.columns = _decode(header).split()

    def read(self, columns: Sequence[str]) -> tuple[list[str], NDArray[np.bool_]]:
        """Returns the images' file names, and which of `columns` are set on them, of shape (images, columns).

        Raises:
            DataError: a column is absent, a line cannot be read, or the number of lines is not the one in the first line.
        """
        positions = [self._position(column) for column in columns]
        names, are_set = self._read_at_once(positions) or self._read_line_by_line(positions)
        if len(names) != self._count:
            raise DataError(
                f"{self.path}, line 1: promises {self._count} images, but {len(names)} are listed."
                " The file is incomplete or was edited: download it again, or correct the number."
            )
        return names, are_set

    def _read_at_once(self, positions: Sequence[int]) -> tuple[list[str], NDArray[np.bool_]] | None:
        table = _parse_well_formed(self._rows, len(self.columns) + 1)
        known = pa.array(VALUES)
        if table is None or not all(pc.all(pc.is_in(values, known)).as_py() for values in table.columns[1:]):
            return None
        are_set = [pc.equal(table.column(position), "1").to_numpy() for position in positions]
        return table.column(0).to_pylist(), np.stack(are_set, axis=1)

    def _read_line_by_line(self, positions: Sequence[int]) -> tuple[list[str], NDArray[np.bool_]]:
        names, are_set = [], []
        for number, fields in _split_lines(self._rows, first=3):
            if len(fields) != len(self.columns) + 1 or not set(VALUES).issuperset(fields[1:]):
                raise DataError(self._describe_error(number, fields))
            names.append(fields[0])
            are_set.append([fields[position] == "1" for position in positions])
        return names, np.array(are_set, dtype=bool).reshape(len(names), len(positions))

    def _position(self, column: str) -> int:
        """Returns the column's index among the fields of a line; 0 is the file name."""
        if column not in self.columns:
            raise DataError(
                f"{self.path}, line 2: no column '{column}'. Restore the file, or leave '{column}' out of"
                f" `attributes`; {closest(column, self.columns)}"
            )
        return self.columns.index(column) + 1

    def _parse_count(self, line: str) -> int:
        if not line.strip().isdigit():
            raise DataError(
                f"{self.path}, line 1: '{line.strip()[:40]}' is not the number of images."
                " Expected CelebA's own file: a line with the count, a line with the 40 names, then a line per image."
            )
        return int(line)

    def _describe_error(self, number: int, fields: Sequence[str]) -> str:
        if len(fields) != len(self.columns) + 1:
            return (
                f"{self.path}, line {number}: {len(fields) - 1} values instead of {len(self.columns)}."
                " The line is cut short or damaged: download the file again."
            )
        column, value = next(pair for pair in enumerate(fields) if pair[0] and pair[1] not in VALUES)
        return (
            f"{self.path}, line {number}, column {self.columns[column - 1]}: '{value}' is not -1 or 1."
            " Correct the value, or download the file again."
        )


def read_values(path: Path, names: Sequence[str], allowed: Iterable[str] = ()) -> Sequence[str | None]:
    """Returns the value of each image in a file with two columns, file name and value.

    A value is None if the file does not list the image or does not exist.

    Args:
        path: the file.
        names: the images' file names.
        allowed: the values that the second column may have; if empty, any.

    Raises:
        DataError: a line does not have two fields, or a value is not allowed.
    """
    if not path.exists():
        return [None] * len(names)
    listed, values = _read_pairs(path, frozenset(allowed))
    if listed == names:
        return values
    value_of = dict(zip(listed, values, strict=True))
    return [value_of.get(name) for name in names]


def _read_pairs(path: Path, allowed: frozenset[str]) -> tuple[list[str], list[str]]:
    rows = path.read_bytes()
    table = _parse_well_formed(rows, 2)
    if table is None or (allowed and not allowed.issuperset(table.column(1).unique().to_pylist())):
        return _read_pairs_line_by_line(path, rows, allowed)
    return table.column(0).to_pylist(), table.column(1).to_pylist()


def _read_pairs_line_by_line(path: Path, rows: bytes, allowed: frozenset[str]) -> tuple[list[str], list[str]]:
    names, values = [], []
    for number, fields in _split_lines(rows, first=1):
        if len(fields) != 2 or (allowed and fields[1] not in allowed):
            expected = (
                f"a file name and one of {', '.join(sorted(allowed))}" if allowed else "a file name and an identity"
            )
            raise DataError(
                f"{path}, line {number}: '{' '.join(fields)[:60]}' is not {expected}."
                " Download the file again, or remove it: it is optional."
            )
        names.append(fields[0])
        values.append(fields[1])
    return names, values


def _parse_well_formed(rows: bytes, width: int) -> pa.Table | None:
    """Returns `width` columns of texts; None if a line has another number of fields or is not UTF-8."""
    # Positive numbers have a second blank before them, and some lines end in one.
    plain = rows.replace(b"  ", b" ").replace(b" \n", b"\n")
    names = [str(number) for number in range(width)]
    try:
        return csv.read_csv(
            pa.BufferReader(plain),
            csv.ReadOptions(column_names=names),
            csv.ParseOptions(delimiter=" ", quote_char=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid:
        return None


def _split_lines(rows: bytes, first: int) -> Iterator[tuple[int, list[str]]]:
    """Yields number and fields of each line that is not blank; the first line has the number `first`."""
    for number, line in enumerate(_decode(rows).splitlines(), start=first):
        fields = line.split()
        if fields:
            yield number, fields


def _decode(content: bytes) -> str:
    return content.decode(errors="replace")
