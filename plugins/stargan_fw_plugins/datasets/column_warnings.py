"""Warns of columns that are learned as they are, but look like a mistake."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING

from stargan_fw_plugins.datasets.doubts import Doubts, Finding
from stargan_fw_plugins.datasets.spellings import read_yes_and_no, seem_mangled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stargan_fw_registry import LabelValue

    Columns = Mapping[str, Mapping[str, Sequence[LabelValue]]]

SAMPLE = 300  # rows that are looked at first, since most columns differ in these
FEWEST = 8  # rows in which columns have to agree: in fewer, they may by chance


def warn_of_values(column: str, known: Sequence[str], doubts: Doubts) -> Iterator[str]:
    """Yields what looks odd about the classes of a column, each as the end of a sentence about it."""
    meaning = read_yes_and_no(known)
    if meaning is not None:
        line = doubts.line(values={column: meaning})
        yield f"the two classes seem to mean yes and no. To learn one label, which an image has or has not: {line}"
    mangled = seem_mangled(known)
    if mangled:
        some = ", ".join(f"'{text}'" for text in mangled[:3])
        yield f"a spreadsheet seems to have turned ranges into dates: {some}. Say what they were with `values`"


def warn_of_copies(columns: Columns, doubts: Doubts) -> Iterator[Finding]:
    """Yields a warning if labels say the same as others: a class column beside one of its classes, or the same again.

    Args:
        columns: column → label → one value per row.
        doubts: writes the lines to paste.
    """
    plain = {column: next(iter(values.values())) for column, values in columns.items() if len(values) == 1}
    copies = {}
    for first, second in combinations(plain, 2):
        if first not in copies and second not in copies and _say_the_same(plain[first], plain[second]):
            more, less = (first, second) if _count(plain[first]) >= _count(plain[second]) else (second, first)
            copies[less] = more
    if copies:
        line = doubts.line(labels=[column for column in columns if column not in copies])
        named = "; ".join(f"'{copy}' says no more than '{column}'" for copy, column in copies.items())
        yield Finding("warning", f"columns say the same again: {named}. To learn each once: {line}")
    yield from _find_contradictions(plain)
    flags = [column for column in plain if column not in copies and _is_flag(plain[column])]
    rows = zip(*(plain[column] for column in flags), strict=True)
    enough = len(flags) > 2 and len(plain[flags[0]]) >= FEWEST
    if enough and all(row.count(True) == 1 and None not in row for row in rows):
        line = doubts.line(exclusive={"class": flags})
        yield Finding("warning", f"each image has exactly one of {', '.join(flags)}. To learn them as classes: {line}")


def _find_contradictions(plain: Mapping[str, Sequence[LabelValue]]) -> Iterator[Finding]:
    """Yields a warning for a yes or no that is called like a class of another column, and disagrees with it."""
    for column, values in plain.items():
        classes = {value.casefold(): value for value in set(values) if isinstance(value, str)}
        for flag, said in plain.items():
            word = re.sub(r"^(is|has)[\W_]+", "", flag.casefold())
            if word in classes and _is_flag(said):
                pairs = [(a == classes[word], b) for a, b in zip(values, said, strict=True) if None not in {a, b}]
                wrong = sum(a != b for a, b in pairs)
                if wrong:
                    text = f"columns '{column}' and '{flag}' disagree about '{classes[word]}' in {wrong} of {len(pairs)} rows"
                    yield Finding("warning", text)


def _say_the_same(first: Sequence[LabelValue], second: Sequence[LabelValue]) -> bool:
    """Returns whether the column with fewer values follows from the other: each class is a yes, a no or another class.

    Two columns of classes are the same if they name each other; of a yes or no beside classes, one class has to be a yes.
    """
    if not _may_follow(_pair(first[:SAMPLE], second[:SAMPLE])):
        return False
    pairs = _pair(first, second)
    if len(first) < FEWEST or any(a is None or b is None for a, b in pairs):
        return False
    (few, many) = sorted((0, 1), key=lambda side: len({pair[side] for pair in pairs}))
    if len(pairs) != len({pair[many] for pair in pairs}):
        return False
    if len(pairs) == len({pair[few] for pair in pairs}):
        return True
    return all(isinstance(pair[few], bool) for pair in pairs) and sum(pair[few] is True for pair in pairs) == 1


def _pair(first: Sequence[LabelValue], second: Sequence[LabelValue]) -> set[tuple[LabelValue, LabelValue]]:
    return {(a, b) for a, b in zip(first, second, strict=True) if a is not None or b is not None}


def _may_follow(pairs: set[tuple[LabelValue, LabelValue]]) -> bool:
    """Returns whether one side of the pairs may follow from the other; if not, more pairs change nothing."""
    sides = [len({pair[side] for pair in pairs}) for side in (0, 1)]
    return len(pairs) in sides and all(None not in pair for pair in pairs)


def _count(values: Sequence[LabelValue]) -> int:
    return len(set(values))


def _is_flag(values: Sequence[LabelValue]) -> bool:
    return {True, False} <= set(values)
