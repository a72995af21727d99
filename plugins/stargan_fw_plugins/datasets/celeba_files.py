"""Reads CelebA's annotation files: at once if they are well-formed, else line by line, to say what is wrong and where.

They are read as distributed (blanks between the fields, the attributes below a count) and as people have them: with a
header instead of the count, with commas, semicolons or tabs, in UTF-16, and with 0 in place of -1.
"""

from __future__ import annotations

import codecs
import csv as lines_of_csv
import os.path
import shlex
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from stargan_fw.data.images import is_image_name
from stargan_fw.errors import DataError, closest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

DELIMITERS = (",", ";", "\t")
NO, YES, UNKNOWN = 0, 1, 2
NO_VALUES = {"-1": NO, "-1.0": NO}
ZEROS = {"0": NO, "0.0": NO, "false": NO}
OTHERS = {"1": YES, "1.0": YES, "true": YES, "": UNKNOWN, "nan": UNKNOWN, "na": UNKNOWN}
IMAGE_COLUMNS = frozenset({"image_id", "image", "file", "filename", "file_name", "name", "path"})
# Validation images are trained on: nothing is tuned on them. If no image is in the test partition, they are the test.
PARTITIONS = {"0": "train", "1": "validation", "2": "test"} | {
    name: "validation" if name.startswith("val") else name for name in ("train", "val", "valid", "validation", "test")
}
FIRST_ROWS = 1000  # of a file, whose values mostly are all values
BEGINNING = 2**16  # bytes, which hold the header
UTF16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class _Table(NamedTuple):
    """The lines of a file below its count or header, and how they are divided into fields."""

    rows: bytes
    first: int
    delimiter: str | None
    width: int


class AttributeFile:
    """`list_attr_celeba.txt`: a line with the count, a line with the column names, then a line per image.

    A file of one's own may leave the count out, name the column of the images in its header, and be a CSV.

    Args:
        path: the file.
        content: its bytes, if they are read already; the beginning is enough for `columns`.
        dataset: the dataset's name in the configuration, for lines to paste.

    Attributes:
        path: the file.
        columns: the names of its columns, in order.

    Raises:
        DataError: the file does not begin like an attribute file.
    """

    def __init__(self, path: Path, content: bytes | None = None, *, dataset: str = "celeba") -> None:
        self._dataset = dataset
        self.path = path
        content = _plain(path.read_bytes() if content is None else content)
        lines = [_decode(line) for line in content[:BEGINNING].split(b"\n", 3)[:3]] + [""] * 3
        self._count = int(lines[0]) if lines[0].strip().isdigit() else None
        start = 0 if self._count is None else 1
        header, row = lines[start : start + 2]
        delimiter = _find_delimiter(header)
        fields, width = _fields(header, delimiter), len(_fields(row, delimiter))
        self._header_line = start + 1
        images = next((i for i, field in enumerate(fields) if field.lower() in IMAGE_COLUMNS), None)
        named = 0 < len(fields) == width and (self._count is None or images is not None)
        if not named and self._count is None and (delimiter or not fields or width != len(fields) + 1):
            raise DataError(self._describe_beginning(lines[0]))
        self._names = (images or 0) if named else 0  # pandas writes a column of numbers before that of the images
        self._fields = fields if named else ["", *fields]
        self.columns = [name for i, name in enumerate(self._fields) if name and i != self._names]
        rows = content.split(b"\n", start + 1)[start + 1 :]
        self._table = _Table(b"".join(rows), start + 2, delimiter, len(self._fields))

    @classmethod
    def read_columns(cls, path: Path) -> Sequence[str]:
        """Returns the names of a file's columns without reading the rest; none if it does not begin as it must."""
        try:
            with path.open("rb") as opened:
                return cls(path, opened.read(BEGINNING)).columns
        except (DataError, OSError):
            return ()

    def read(self, columns: Sequence[str]) -> tuple[list[str], NDArray[np.int8]]:
        """Returns the images' file names, and for `columns` NO, YES or UNKNOWN, of shape (images, columns).

        Raises:
            DataError: a column is absent, a line cannot be read, an image is listed twice, or the number of lines is not
                the one in the first line.
        """
        positions = [self._position(column) for column in columns]
        checked = positions if self._table.delimiter else [self._fields.index(name) for name in self.columns]
        names, values = self._read_at_once(positions, checked) or self._read_line_by_line(positions, checked)
        if self._count is not None and len(names) != self._count:
            raise DataError(
                f"{self.path}, line 1: promises {self._count} images, but {len(names)} are listed."
                " The file is incomplete or was edited: download it again, or correct the number."
            )
        self._check_repeated(names)
        return names, values

    def _read_at_once(
        self, positions: Sequence[int], checked: Sequence[int]
    ) -> tuple[list[str], NDArray[np.int8]] | None:
        table = _parse_well_formed(self._table)
        if table is None:
            return None
        cells = table.select([table.column_names[position] for position in checked]).columns
        codes = _codes_of(cells)
        if codes is None:
            return None
        known, numbers = pa.array(list(codes)), np.array(list(codes.values()), np.int8)
        columns = [numbers[pc.index_in(table.column(position), known).to_numpy()] for position in positions]
        names: list[str] = table.column(self._names).to_pylist()
        return [name.strip() for name in names] if self._table.delimiter else names, np.stack(columns, axis=1)

    def _read_line_by_line(
        self, positions: Sequence[int], checked: Sequence[int]
    ) -> tuple[list[str], NDArray[np.int8]]:
        lines = list(_split_lines(self._table))
        codes = _codes({fields[p] for _, fields in lines for p in checked if p < len(fields)}, strict=False) or {}
        names, values = [], []
        for number, fields in lines:
            wrong = next((p for p in checked if p < len(fields) and fields[p] not in codes), None)
            if len(fields) != self._table.width or wrong is not None:
                raise DataError(
                    self._describe_error(number, fields, wrong) + self._suggest_columns(lines, wrong, codes)
                )
            names.append(fields[self._names])
            values.append([codes[fields[position]] for position in positions])
        return names, np.array(values, dtype=np.int8).reshape(len(names), len(positions))

    def _check_repeated(self, names: Sequence[str]) -> None:
        if len(set(names)) == len(names):
            return
        seen: set[str] = set()
        twice = sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
        raise DataError(
            f"{self.path}: lists {len(twice)} images more than once ({_some(twice)}). Which labels hold cannot be known:"
            " leave one line of each."
        )

    def _position(self, column: str) -> int:
        """Returns the column's index among the fields of a line."""
        if column not in self.columns:
            raise DataError(
                f"{self.path}, line {self._header_line}: no column '{column}'. Restore the file, or choose `attributes`"
                f" among its columns: {self._choose(self.columns)}; {closest(column, self.columns)}"
            )
        return self._fields.index(column)

    def _describe_beginning(self, line: str) -> str:
        return (
            f"{self.path}, line 1: '{line.strip()[:40]}' is not the number of images."
            " Use CelebA's own file, a line with the count, a line with the 40 names, then a line per image;"
            " or a CSV with a header."
        )

    def _describe_error(self, number: int, fields: Sequence[str], wrong: int | None) -> str:
        if len(fields) != self._table.width or wrong is None:
            return (
                f"{self.path}, line {number}: {len(fields) - 1} values instead of {len(self.columns)}."
                " The line is cut short or damaged: download the file again."
            )
        return (
            f"{self.path}, line {number}, column {self._fields[wrong]}: '{fields[wrong]}' is not -1 or 1."
            " Correct the value, or download the file again."
        )

    def _suggest_columns(
        self, lines: Sequence[tuple[int, Sequence[str]]], wrong: int | None, codes: Mapping[str, int]
    ) -> str:
        """Returns a line that leaves out what is no attribute, if most values of the wrong column are none of one.

        Without separators every column is read, since a value that is missing shifts the others: then no line helps.
        """
        whole = [fields for _, fields in lines if len(fields) == self._table.width]
        if (
            not self._table.delimiter
            or wrong is None
            or 2 * sum(fields[wrong] in codes for fields in whole) > len(whole)
        ):
            return ""
        good = [name for name in self.columns if all(fields[self._fields.index(name)] in codes for fields in whole)]
        return f" Or learn the other columns: {self._choose(good)}" if good else ""

    def _choose(self, columns: Sequence[str]) -> str:
        choice = ",".join(f'"{name}"' for name in columns)
        return "--set " + shlex.quote(f"datasets.{self._dataset}.attributes=[{choice}]")


def read_values(path: Path, names: Sequence[str], check: Callable[[str], bool], expected: str) -> Sequence[str | None]:
    """Returns the value of each image in a file with two columns, file name and value, or None if it is not listed.

    Images are matched by name, or else without their endings.

    Args:
        path: the file.
        names: the images' file names.
        check: returns whether the second column may have a value.
        expected: describes a line for an error message.

    Raises:
        DataError: a line does not have two fields, or a value is not allowed.
    """
    listed, values = _read_pairs(path, check, expected)
    if listed == names:
        return values
    value_of = dict(zip(map(stem, listed), values, strict=True)) | dict(zip(listed, values, strict=True))
    return [value_of.get(name) or value_of.get(stem(name)) for name in names]


def read_side(value: str) -> str | None:
    """Returns "train", "validation" or "test" if a value means that; pandas makes 0.0 of 0 beside empty cells."""
    return PARTITIONS.get(value.strip().lower().removesuffix(".0"))


def is_side(value: str) -> bool:
    """Returns whether a value is that of a side of the split."""
    return read_side(value) is not None


def stem(name: str) -> str:
    """Returns the name of an image without its folders and ending, in lower case."""
    return os.path.splitext(os.path.basename(name.replace("\\", "/")))[0].lower()  # noqa: PTH119, PTH122 - fast


def _read_pairs(path: Path, check: Callable[[str], bool], expected: str) -> tuple[list[str], list[str]]:
    content = _plain(path.read_bytes())
    header = _decode(content.split(b"\n", 1)[0])
    delimiter = _find_delimiter(header)
    fields = _fields(header, delimiter)
    start = int(_is_header(fields))
    image, value = _find_pair(fields) if start else (0, 1)
    table = _Table(b"".join(content.split(b"\n", start)[start:]), start + 1, delimiter, len(fields) if start else 2)
    parsed = _parse_well_formed(table)
    if parsed is not None and all(map(check, parsed.column(value).unique().to_pylist())):
        return parsed.column(image).to_pylist(), parsed.column(value).to_pylist()
    names, values = [], []
    for number, fields in _split_lines(table):
        if len(fields) != table.width or not check(fields[value]):
            raise DataError(
                f"{path}, line {number}: '{' '.join(fields)[:60]}' is not {expected}."
                " Download the file again, or remove it: it is optional."
            )
        names.append(fields[image])
        values.append(fields[value])
    return names, values


def _find_pair(header: Sequence[str]) -> tuple[int, int]:
    """Returns the columns of the images and of the values; pandas writes a column of numbers before them."""
    image = next((i for i, field in enumerate(header) if field.lower() in IMAGE_COLUMNS), len(header) - 2)
    return image, max(i for i in range(len(header)) if i != image)


def _codes(present: set[str], *, strict: bool = True) -> dict[str, int] | None:
    """Returns what each value means; None if one means nothing, or if not `strict`, without it.

    A 0 means no if the file has no -1: beside -1 it may mean unknown.
    """
    spelled = {value: value.strip().lower() for value in present}
    known = {**OTHERS, **(NO_VALUES if NO_VALUES.keys() & set(spelled.values()) else ZEROS)}
    codes = {value: known[plain] for value, plain in spelled.items() if plain in known}
    return None if strict and len(codes) < len(present) else codes


def _codes_of(columns: Sequence[pa.ChunkedArray]) -> dict[str, int] | None:
    """Returns what each value of the columns means, as `_codes` does."""
    codes = _codes({value for column in columns for value in column.slice(0, FIRST_ROWS).to_pylist()})
    # All values of all columns take longer to collect than to compare with those of the first rows, which mostly are all.
    if codes and all(pc.all(pc.is_in(column, pa.array(list(codes)))).as_py() for column in columns):
        return codes
    return _codes({value for column in columns for value in column.unique().to_pylist()})


def _parse_well_formed(table: _Table) -> pa.Table | None:
    """Returns the columns as texts; None if a line has another number of fields or is not UTF-8."""
    rows = table.rows
    if not table.delimiter:  # positive numbers have a second blank before them, and some lines end in one
        rows = rows.replace(b"  ", b" ").replace(b" \n", b"\n")
    names = [str(number) for number in range(table.width)]
    try:
        return csv.read_csv(
            pa.BufferReader(rows),
            csv.ReadOptions(column_names=names),
            csv.ParseOptions(delimiter=table.delimiter or " ", quote_char='"' if table.delimiter else False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid:
        return None


def _split_lines(table: _Table) -> Iterator[tuple[int, list[str]]]:
    """Yields number and fields of each line that is not blank. A file name may hold blanks."""
    for number, line in enumerate(_decode(table.rows).splitlines(), start=table.first):
        if not line.strip():
            continue
        fields = _fields(line, table.delimiter)
        if not table.delimiter and len(fields) > table.width:
            *parts, last = " ".join(fields[: 1 - table.width]).split(" ")
            if is_image_name(last) and not any(map(is_image_name, parts)):
                fields = [" ".join([*parts, last]), *fields[1 - table.width :]]
        yield number, fields


def _fields(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    try:
        fields = next(lines_of_csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except lines_of_csv.Error:  # no line of a table
        return [line]
    return [field.strip() for field in fields]


def _find_delimiter(header: str) -> str | None:
    """Returns the delimiter of a header or a line, None for blanks."""
    count, delimiter = max((header.count(delimiter), delimiter) for delimiter in DELIMITERS)
    return delimiter if count else None


def _is_header(fields: Sequence[str]) -> bool:
    """Returns whether the first line of a file of images and values names its columns."""
    return len(fields) > 1 and not any(map(is_image_name, fields)) and not any(map(str.isdigit, fields[-1]))


def _plain(content: bytes) -> bytes:
    """Returns the content in UTF-8 without a byte order mark, in lines that end as everywhere else."""
    encoding = UTF16.get(content[:2])
    if encoding:
        content = content[: len(content) // 2 * 2].decode(encoding, errors="replace").encode()
    text = content.removeprefix(codecs.BOM_UTF8)
    return text if b"\n" in text[:BEGINNING] else text.replace(b"\r", b"\n")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _decode(content: bytes) -> str:
    return content.decode(errors="replace")
