"""Keeps the rows of a table for which a condition holds: `where = "expression < 8 and usage in [train, test]"`."""

from __future__ import annotations

import operator
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from stargan_fw.errors import ConfigError, DataError
from stargan_fw_plugins.datasets.column_kinds import find_missing, is_number
from stargan_fw_plugins.datasets.records import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stargan_fw_plugins.datasets.records import Records

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OPERATORS = ("==", "!=", "=", *COMPARE, "in", "not in")
TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*'|`[^`]*`)|(?P<sign>==|!=|<=|>=|=|<|>|[][(),])|(?P<word>[^\s"'`=!<>\[\](),]+))"""
)
GRAMMAR = 'Write column, operator and value, joined by `and`: where = "expression < 8 and usage in [train, test]".'


def filter_rows(records: Records, where: str | None) -> Records:
    """Returns the rows for which a condition holds, with a note that counts them; all rows if there is no condition.

    Each comparison is a column, one of == != < <= > >= in, and a value; `in` takes several in brackets. Names and values
    with blanks or signs stand in quotes. Texts are compared in any case, numbers as numbers; a missing value equals
    "" only, and is neither less nor more than a number.

    Raises:
        ConfigError: the condition cannot be understood.
        DataError: there is no such column, no row is left, or a cell that is compared with a number is none.
    """
    if where is None:
        return records
    kept = list(range(records.rows))
    for column, sign, values in _parse(where):
        name = records.find(column, "where")
        cells = _read(records, name)
        holds = {text: _holds(text, sign, values) for text in dict.fromkeys(cells)}
        odd = next((text for text in holds if holds[text] is None), None)
        if odd is not None:
            raise DataError(
                f"{records.locate(cells.index(odd))}, column {name}: '{odd}' is no number, so `where` cannot compare"
                f" it by {sign}. Compare by == or in."
            )
        kept = [row for row in kept if holds[cells[row]]]
    if not kept:
        raise DataError(f'{records.header}: where = "{where}" keeps none of the {records.rows} rows. Change it.')
    note = f'where = "{where}" keeps {len(kept)} of {records.rows} rows'
    return replace(records.keep(kept), notes=[*records.notes, note])


def _read(records: Records, column: str) -> list[str]:
    try:
        texts = [as_text(cell) for cell in records.read(column)]
    except TypeError as error:
        raise DataError(
            f"{records.header}, column {column}: `where` cannot compare a {error}. Name another column."
        ) from None
    missing = find_missing(dict.fromkeys(texts))
    return ["" if text in missing else text for text in texts]


def _holds(text: str, sign: str, values: Sequence[str]) -> bool | None:
    """Returns whether a comparison holds; None if it needs a number and the text is none."""
    if sign in COMPARE:
        if not text:
            return False
        return COMPARE[sign](float(text), float(values[0])) if is_number(text) else None
    equal = any(_equal(text, value) for value in values)
    return equal if sign in {"==", "=", "in"} else not equal


def _equal(text: str, value: str) -> bool:
    if is_number(text) and is_number(value):
        return float(text) == float(value)
    return text.casefold() == as_text(value).casefold()


def _parse(where: str) -> list[tuple[str, str, list[str]]]:
    """Returns column, operator and values of each comparison."""
    tokens: list[tuple[str, bool]] = []
    position, text = 0, where.rstrip()
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None:
            raise ConfigError(f"where = {where!r}: '{text[position:].strip()}' cannot be read. {GRAMMAR}")
        quoted = found["quoted"] is not None
        tokens.append((found[0].strip()[1:-1] if quoted else found[0].strip(), quoted))
        position = found.end()
    comparisons: list[list[tuple[str, bool]]] = [[]]
    for token, quoted in tokens:
        if not quoted and token.casefold() == "and":
            comparisons.append([])
        else:
            comparisons[-1].append((token, quoted))
    return [_parse_comparison(where, comparison) for comparison in comparisons]


def _parse_comparison(where: str, tokens: Sequence[tuple[str, bool]]) -> tuple[str, str, list[str]]:
    words = [token if quoted else token.casefold() for token, quoted in tokens]
    at = next(
        (
            i
            for i, (word, (_, quoted)) in enumerate(zip(words, tokens, strict=True))
            if not quoted and word in OPERATORS
        ),
        0,
    )
    sign, start = (words[at], at) if at else ("", 0)
    if sign == "in" and at > 1 and words[at - 1] == "not":
        sign, start = "not in", at - 1
    column = " ".join(token for token, _ in tokens[:start])
    values = _parse_values(tokens[at + 1 :], several=sign in {"in", "not in"})
    if not column or not values or (sign in COMPARE and not is_number(values[0])):
        raise ConfigError(f"where = {where!r}: '{' '.join(token for token, _ in tokens)}' is no comparison. {GRAMMAR}")
    return column, sign, values


def _parse_values(tokens: Sequence[tuple[str, bool]], *, several: bool) -> list[str]:
    """Returns the values: one of all words, or several between commas; nothing if other signs stand among them."""
    if not several:
        signs = any(not quoted and token in (*OPERATORS, *"[](),") for token, quoted in tokens)
        return [] if signs or not tokens else [" ".join(token for token, _ in tokens)]
    parts: list[list[str]] = [[]]
    for word, quoted in tokens:
        if not quoted and word == ",":
            parts.append([])
        elif quoted or word not in "[]()":
            parts[-1].append(word)
    return [" ".join(part) for part in parts if part]
