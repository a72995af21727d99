"""A table column by column, its cells as texts, and what a configuration says about them."""

from __future__ import annotations

import ast
import difflib
import math
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeGuard

from stargan_fw.errors import DataError, closest
from stargan_fw_plugins.datasets.column_kinds import MISSING_OR_CLASS, find_missing
from stargan_fw_plugins.datasets.spellings import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

WRITTEN_LIST = re.compile(r"\[.*\]|\{[^:]*\}", re.DOTALL)
WHOLE = re.compile(r"([-+]?\d+)\.0*")


@dataclass(frozen=True)
class Records:
    """A table, column by column.

    Attributes:
        header: the place that names the columns, for messages: "labels.csv, line 1".
        names: the columns' names; a dot leads into a nested column.
        rows: the number of rows.
        read: returns the cells of a column, one per row: texts, numbers, booleans or None.
        locate: returns the place of a row, for messages: "labels.csv, line 7".
        classes: column → all its values, in order, if the table declares them.
        notes: how the file was read, if that is not certain: "read as Windows-1252".
        kept: the numbers of the rows in the whole table, if some were left out.
    """

    header: str
    names: Sequence[str]
    rows: int
    read: Callable[[str], Sequence[object]]
    locate: Callable[[int], str]
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    kept: Sequence[int] | None = None

    def find(self, name: str, option: str) -> str:
        """Returns the column `name`, or the nested one with this last part.

        Raises:
            DataError: there is no such column, or several; names the option that asks for it.
        """
        nested = [column for column in self.names if label_name(column) == name]
        if name in self.names or len(nested) == 1:
            return name if name in self.names else nested[0]
        problem = f"more than one column '{name}'" if nested else f"no column '{name}'"
        known = nested or self.names
        raise DataError(f"{self.header}: {problem}, which `{option}` names; {closest(name, known)}")

    def find_all(self, names: Iterable[str], option: str) -> list[str]:
        """Returns the columns with these names, each once; raises as `find` does."""
        return list(dict.fromkeys(self.find(name, option) for name in names))

    def check_labels(self, columns: Iterable[str]) -> None:
        """Raises DataError if two columns would be labels of the same name."""
        first: dict[str, str] = {}
        for column in columns:
            other = first.setdefault(label_name(column), column)
            if other != column:
                raise DataError(
                    f"{self.header}: '{other}' and '{column}' would both be the label '{label_name(column)}'."
                    " Name the columns to learn with `labels`."
                )

    def keep(self, rows: Sequence[int]) -> Records:
        """Returns the table with these rows only."""

        def read(column: str) -> Sequence[object]:
            cells = self.read(column)
            return [cells[row] for row in rows]

        def locate(row: int) -> str:
            return self.locate(rows[row])

        classes = {column: self._classes_of(column, rows) for column in self.classes}
        return Records(self.header, self.names, len(rows), read, locate, classes, self.notes, rows)

    def _classes_of(self, column: str, rows: Sequence[int]) -> list[str]:
        """Returns the declared values of a column without those that only other rows have."""
        cells = self.read(column)
        gone = set(cells) - {cells[row] for row in rows}
        return [name for name in self.classes[column] if name not in gone]


@dataclass(frozen=True)
class ColumnOptions:
    """What a configuration says about the columns.

    Attributes:
        labels: the columns to learn, in order; None means all that have no other use.
        exclusive: group → its columns, of which at most one is set.
        continuous: column → the least and the greatest value of the number that it is learned as, or "data".
        values: column → value in the table → its new name; "" means unknown.
        identity: the column that says who is on an image; None means one that looks like it, if there is one.
        split: the column that says train or test; None means one that looks like it, if there is one.
        separator: what divides several labels in one cell.
    """

    labels: Sequence[str] | None = None
    exclusive: Mapping[str, Sequence[str]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str | bool | int]] = field(default_factory=dict)
    identity: str | None = None
    split: str | None = None
    separator: str | None = None
    continuous: Mapping[str, list[float] | Literal["data"]] = field(default_factory=dict)


def label_name(column: str) -> str:
    """Returns the name of a column's label: the last part of a nested column's name, if that is a name."""
    name = column.rpartition(".")[2]
    return name if name[:1].isalpha() or name.startswith("_") else column


def as_text(cell: object) -> str:
    """Returns a cell as text: "" if unknown, "true" or "false" for booleans, and whole numbers without a point.

    Raises:
        TypeError: the cell is no text, number or boolean.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if not isinstance(cell, (str, int, float)):
        raise TypeError(type(cell).__name__)
    text = str(cell).lower() if isinstance(cell, bool) else clean(str(cell))
    whole = WHOLE.fullmatch(text)
    if whole:
        return "0" if whole[1] == "-0" else whole[1].removeprefix("+")
    return text if text.isascii() else unicodedata.normalize("NFC", text).replace("\u2212", "-")


class CellTexts:
    """The cells of a table as texts: renamed as `values` says, and "" if nothing is known."""

    def __init__(self, records: Records, options: ColumnOptions) -> None:
        self._records = records
        self._separator = options.separator
        self._people: set[str] = set()
        self._last: tuple[str, Sequence[object]] | None = (
            None  # the column that was read last, as reading takes a while
        )
        self._names = {
            records.find(column, "values"): {as_text(raw): as_text(label) for raw, label in names.items()}
            for column, names in options.values.items()
        }

    def read_as_people(self, column: str) -> None:
        """Says that a column names people: "None", "unknown" and -1 are nobody there."""
        self._people.add(column)

    def is_configured(self, column: str) -> bool:
        """Returns whether `values` says anything about a column."""
        return column in self._names

    def is_given(self, column: str, text: str) -> bool:
        """Returns whether a text is a name that `values` gives."""
        return text in self._names.get(column, {}).values()

    def declared_values(self, column: str) -> list[str]:
        """Returns all values of a column if the table or the configuration lists them, else nothing."""
        names = self._names.get(column)
        classes = self._records.classes.get(column)
        if names is None or classes is None:
            return list(dict.fromkeys(filter(None, classes or (names or {}).values())))
        return list(dict.fromkeys(filter(None, (self._rename(column, name, name) for name in classes))))

    def are_plain(self, column: str) -> bool:
        """Returns whether all cells of a column are texts, numbers or booleans."""
        return self._find_odd(self._read(column)) is None

    def describe(self, column: str) -> str:
        """Returns what the cells of a column are that are not plain: "list"."""
        cells = self._read(column)
        return type(cells[self._find_odd(cells) or 0]).__name__

    def are_lists_of_texts(self, column: str) -> bool:
        """Returns whether all cells of a column are lists of texts, or nothing."""
        return all(cell is None or _is_list_of_texts(cell) for cell in self._read(column))

    def texts(self, column: str) -> list[str]:
        """Returns a column as texts.

        Raises:
            DataError: a cell is no text, number or boolean, or `values` seems to misspell one.
        """
        cells = self._read(column)
        # Apart by type, as True, 1 and 1.0 are equal; most columns are of texts, which need no such pairs.
        kinds = cells if set(map(type, cells)) == {str} else [(type(cell), cell) for cell in cells]
        try:
            raw = {kind: as_text(kind[1] if isinstance(kind, tuple) else kind) for kind in dict.fromkeys(kinds)}
        except TypeError:
            row = self._find_odd(cells) or 0
            raise DataError(
                f"{self._records.locate(row)}, column {column}: a {type(cells[row]).__name__} cannot be a label."
                " Name the columns to learn with `labels`."
            ) from None
        missing = self._missing(column, set(raw.values()))
        self._check_values(column, set(raw.values()) - missing)
        texts = {kind: self._rename(column, text, "" if text in missing else text) for kind, text in raw.items()}
        return [texts.get(kind, "") for kind in kinds]  # NaN is not found, since it equals nothing

    def _read(self, column: str) -> Sequence[object]:
        if self._last is None or self._last[0] != column:
            self._last = column, self._join(_read_lists(self._records.read(column)))
        return self._last[1]

    def _join(self, cells: Sequence[object]) -> Sequence[object]:
        """Returns the cells with lists of texts as one text, if a sign to divide them is known."""
        if self._separator is None:
            return cells
        sign = self._separator  # at the end, too: an empty list says that there is none of the labels
        return [
            "".join(f"{part}{sign}" for part in cell) or sign if _is_list_of_texts(cell) else cell for cell in cells
        ]

    @staticmethod
    def _find_odd(cells: Sequence[object]) -> int | None:
        plain = (str, int, float, type(None))
        if all(issubclass(kind, plain) for kind in set(map(type, cells))):
            return None
        return next((row for row, cell in enumerate(cells) if not isinstance(cell, plain)), None)

    def _missing(self, column: str, known: set[str]) -> set[str]:
        """Returns the texts that say that nothing is known, without those that `values` or the table declares."""
        if self._records.classes.get(column):
            return {""}
        names = self._names.get(column, {})
        missing = find_missing(known - {""} - names.keys())
        if column in self._people:
            missing |= {text for text in known if text == "-1" or text.casefold() in {*MISSING_OR_CLASS, "na"}}
        return missing | {""}

    def _rename(self, column: str, raw: str, text: str) -> str:
        """Returns the new name of a text: by itself, or else in any case."""
        names = self._names.get(column)
        if not names:
            return text
        for key in (raw, text):
            if key in names:
                return names[key]
        folded = {key.casefold(): name for key, name in names.items()}
        return folded.get(text.casefold(), text)

    def _check_values(self, column: str, known: set[str]) -> None:
        """Raises DataError if `values` names no value of the column, but one that is much like another."""
        names = {key.casefold(): key for key in self._names.get(column, {})}
        texts = {text.casefold(): text for text in known}
        for folded in names.keys() - texts.keys():
            close = difflib.get_close_matches(folded, texts.keys() - names.keys(), 1, 0.7)
            if len(folded) > 2 and close:
                raise DataError(
                    f"{self._records.header}, column {column}: no cell is '{names[folded]}', which `values.{column}`"
                    f" names; did you mean '{texts[close[0]]}'?"
                )


def _read_lists(cells: Sequence[object]) -> Sequence[object]:
    """Returns cells as lists if all are texts of lists, as pandas and databases write them: ['a', 'b'], ["a"] or {a,b}."""
    if not set(map(type, cells)) <= {str, type(None)}:
        return cells
    known = {cell for cell in cells if isinstance(cell, str) and cell.strip()}
    if not known or not all(WRITTEN_LIST.fullmatch(cell.strip()) for cell in known):
        return cells
    try:
        lists = {cell: _read_list(cell.strip()) for cell in known}
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return cells
    if not all(map(_is_list_of_texts, lists.values())):
        return cells
    return [lists.get(str(cell)) for cell in cells]


def _read_list(text: str) -> object:
    if text.startswith("{"):
        return [part for part in (part.strip(" \"'") for part in text[1:-1].split(",")) if part]
    return ast.literal_eval(text)


def _is_list_of_texts(cell: object) -> TypeGuard[list[str]]:
    return isinstance(cell, list) and all(isinstance(part, str) for part in cell)
