"""Columns that are learned as numbers: what their cells say, and the range of the label."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

from stargan_fw.errors import ConfigError, DataError, LabelError
from stargan_fw_plugins.datasets.column_kinds import AMOUNTS, TELLING, Choice, Doubt, is_number, name_words
from stargan_fw_plugins.datasets.records import label_name
from stargan_fw_plugins.datasets.spellings import split_unit
from stargan_fw_registry import Continuous

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stargan_fw_plugins.datasets.doubts import Doubts
    from stargan_fw_plugins.datasets.records import Records

Ends: TypeAlias = list[float] | Literal["data"]
"""The least and the greatest value of a label, or "data" for those of the column, rounded outwards."""

STEPS = 5  # into how many steps a decimal power is divided, to round a range outwards


class NumberColumn:
    """A column that the configuration calls continuous.

    Args:
        records: the table.
        column: its name.
        ends: the configured range.
        doubts: writes the lines to paste, and takes what only a person can say.
    """

    def __init__(self, records: Records, column: str, ends: Ends, doubts: Doubts) -> None:
        self._records, self._column, self._doubts = records, column, doubts
        self._ends = ends
        if ends != "data" and len(ends) != 2:
            raise ConfigError(
                f'`continuous.{column}` is {ends}: give the least and the greatest value, as in [0, 100], or "data"'
            )

    def read(self, texts: Sequence[str]) -> tuple[Continuous, list[float | None]]:
        """Returns the attribute, and the number in each row, or None if it is unknown.

        Args:
            texts: the cells, "" if unknown.

        Raises:
            ConfigError: the range is none.
            DataError: a cell is no number or outside of the range, or all numbers are the same.
        """
        numbers = self._parse(dict.fromkeys(filter(None, texts)))
        if len(set(numbers.values())) < 2:
            holds = f"the number {next(iter(numbers))} everywhere" if numbers else "no number"
            raise DataError(f"{self._place}: it holds {holds}, which cannot be learned. Leave it out of `continuous`.")
        attribute = self._attribute(numbers)
        for row, text in enumerate(texts):
            if text and not attribute.low <= numbers[text] <= attribute.high:
                raise DataError(
                    f"{self._records.locate(row)}, column {self._column}: '{text}' is not {attribute.span}. Widen the range:"
                    f" {self._line(round_outwards([*numbers.values(), attribute.low, attribute.high]))} Or, if it means that"
                    f" nothing is known, add: {self._unknown([text])}"
                )
        return attribute, [numbers.get(text) for text in texts]

    def _attribute(self, numbers: Mapping[str, float]) -> Continuous:
        if (
            "-1" in numbers
            and self._ends == "data"
            and min(number for text, number in numbers.items() if text != "-1") >= 0
        ):
            choices = (Choice("-1 means unknown", values={"-1": ""}), Choice("-1 is a number", values={"-1": "-1"}))
            if not self._doubts.says(self._column, "-1"):
                self._doubts.add(self._column, Doubt("-1 is a number, or says that nothing is known", choices))
        low, high = round_outwards(numbers.values()) if self._ends == "data" else self._ends
        try:
            return Continuous(label_name(self._column), low, high)
        except LabelError as error:
            raise ConfigError(f"`continuous.{self._column}`: {error}.") from None

    def _parse(self, known: Iterable[str]) -> dict[str, float]:
        """Returns the number that each text says; a unit is allowed if all cells agree in it."""
        parts = {text: split_unit(text) for text in known}
        units = {unit for _, unit in parts.values() if unit}
        plain = {text: number for text, (number, _) in parts.items()}
        if len(units) > 1:
            one, other = sorted(units)[:2]
            raise DataError(f"{self._place}: some numbers are in '{one}', others in '{other}'. Write all in one unit.")
        odd = [text for text, number in plain.items() if not is_number(number) or "_" in number]
        if odd:
            some = ", ".join(f"'{text}'" for text in odd[:3]) + (", …" if len(odd) > 3 else "")
            unknown = (
                f" If nothing is known there, add {self._unknown(odd)}" if len(odd) <= min(12, len(plain) // 2) else ""
            )
            raise DataError(
                f"{self._place}: {some} {'is no number' if len(odd) == 1 else 'are no numbers'}.{unknown} Leave the column"
                " out of `continuous` to learn classes, or nothing of it."
            )
        return {text: float(number) for text, number in plain.items()}

    @property
    def _place(self) -> str:
        return f"{self._records.header}, column {self._column}"

    def _line(self, ends: Sequence[float]) -> str:
        return continuous_line(self._column, ends, self._doubts)

    def _unknown(self, texts: Sequence[str]) -> str:
        return self._doubts.line(values={self._column: dict.fromkeys(texts, "")})


def continuous_line(column: str, ends: Sequence[float], doubts: Doubts) -> str:
    """Returns options of the command line that learn a column as a number."""
    return doubts.line(continuous={column: [int(end) if end == int(end) else end for end in ends]})


def explain_number(column: str, counts: Iterable[str], doubts: Doubts) -> str:
    """Returns how to learn a column that was left out as a number, or nothing if its name says that it is no label."""
    words = name_words(column)
    numbers = [split_unit(text)[0].replace(",", ".") for text in counts]
    if len(numbers) < 2 or not all(map(is_number, numbers)) or (words & AMOUNTS and not words & TELLING):
        return ""
    return f"to learn it as a number: {continuous_line(column, round_outwards(map(float, numbers)), doubts)}"


def round_outwards(numbers: Iterable[float]) -> tuple[float, float]:
    """Returns a range of round numbers that holds all numbers: 0 to 120 for 1 to 116, -1 to 1 for -0.98 to 0.97."""
    known = list(numbers)
    least, most = min(known), max(known)
    power = math.floor(math.log10(most - least)) if most > least else 0
    step = 10.0**power / STEPS
    digits = max(0, 1 - power)
    return round(math.floor(least / step) * step, digits), round(math.ceil(most / step) * step, digits)
