"""What is found out about a table, and what only a person can say: refused in one message with lines to paste."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from stargan_fw import Remark
from stargan_fw.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stargan_fw_plugins.datasets.column_kinds import Choice, Doubt
    from stargan_fw_plugins.datasets.records import ColumnOptions


@dataclass(frozen=True)
class Finding:
    """What was found out about a column, or about the whole table.

    Attributes:
        kind: "label"; "role" of a column that says who is on an image or divides them, or how the table was read; "left
            out", with the reason; or "warning", if it may be a mistake.
        text: begins with the column, if it is about one: "column 'age': 2 numbers from 23 to 41: amounts, not classes".
        otherwise: how to read it in another way, with a line to paste; or empty.
    """

    kind: Literal["label", "role", "left out", "warning"]
    text: str
    otherwise: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.otherwise})" if self.otherwise else self.text


def as_remarks(findings: Sequence[Finding]) -> list[str]:
    """Returns what a person who sees the labels should know: how the rest was read, what was left out, and warnings."""
    inferred = [Remark("inferred", each.text, each.otherwise) for each in findings if each.kind == "role"]
    left_out = [Remark("left out", each.text, each.otherwise) for each in findings if each.kind == "left out"]
    warnings = [f"{each.text[0].upper()}{each.text[1:]}" for each in findings if each.kind == "warning"]
    return [*inferred, *left_out, *warnings]


class Doubts:
    """What is wrong or in doubt about the columns of one dataset.

    Attributes:
        problems: what is wrong in any case.
    """

    def __init__(self, alias: str, options: ColumnOptions) -> None:
        self.problems: list[str] = []
        self._alias = alias
        self._options = options
        self._doubts: list[tuple[str, Doubt]] = []

    def add(self, column: str, doubt: Doubt) -> None:
        self._doubts.append((column, doubt))

    def says(self, column: str, text: str) -> bool:
        """Returns whether `values` says what a cell of a column means."""
        return text in self._options.values.get(column, {})

    def has(self, column: str) -> bool:
        return any(name == column for name, _ in self._doubts)

    def line(self, **settings: object) -> str:
        """Returns options of the command line that set keys of the dataset, of `values` and `continuous` beside what is set."""
        if isinstance(values := settings.get("values"), dict):
            given = {column: dict(names) for column, names in self._options.values.items()}
            settings["values"] = given | {column: given.get(column, {}) | names for column, names in values.items()}
        if isinstance(numbers := settings.get("continuous"), dict):
            settings["continuous"] = {**self._options.continuous, **numbers}
        return " ".join(
            f"--set {shlex.quote(f'datasets.{self._alias}.{key}={to_toml(value)}')}" for key, value in settings.items()
        )

    def refuse(self, header: str, columns: Sequence[str], findings: Sequence[Finding]) -> None:
        """Raises DataError if anything is wrong or in doubt.

        Args:
            header: the place that names the columns.
            columns: the labels, with those in doubt.
            findings: what was found out so far; the message names what was left out.
        """
        doubts = self._describe(header, columns)
        left_out = "; ".join(str(finding) for finding in findings if finding.kind == "left out")
        if doubts and left_out:
            doubts[-1] += f"\n  Left out: {left_out}."
        if self.problems or doubts:
            raise DataError.of([*self.problems, *doubts])

    def _describe(self, header: str, columns: Sequence[str]) -> list[str]:
        """Returns each doubt, with the lines that settle all of them after the last."""
        found: dict[str, list[str]] = {}
        for column, doubt in self._doubts:
            found.setdefault(doubt.reason, []).append(column)
        texts = [
            f"{header}, {'column' if len(names) == 1 else 'columns'} {', '.join(names)}: {reason}."
            for reason, names in found.items()
        ]
        if texts:
            texts[-1] += self._suggest(columns)
        return texts

    def _suggest(self, columns: Sequence[str]) -> str:
        said = []
        for which in (0, 1):
            chosen = [(column, doubt.choices[which]) for column, doubt in self._doubts]
            settings = _settings(columns, chosen)
            if settings.get("labels") != []:
                subject = "; ".join(dict.fromkeys(self._meanings(chosen)))
                said.append(f"\n  If {subject}, add: {self.line(**settings)}")
        said += [f"\n  Or {column}: {doubt.otherwise}" for column, doubt in self._doubts if doubt.otherwise]
        return "".join(said)

    @staticmethod
    def _meanings(chosen: Sequence[tuple[str, Choice]]) -> list[str]:
        learned = [column for column, choice in chosen if choice.learn is True]
        left_out = [column for column, choice in chosen if choice.learn is False]
        named = ", ".join(learned or left_out)
        meanings = [
            f"{named} {'is' if len(learned or left_out) == 1 else 'are'} {'to be learned' if learned else 'not'}"
        ]
        return [*(meanings if named else []), *(choice.meaning for _, choice in chosen if choice.learn is None)]


def _settings(columns: Sequence[str], chosen: Sequence[tuple[str, Choice]]) -> dict[str, object]:
    """Returns the keys to set for one choice for each column in doubt."""
    settings: dict[str, object] = {}
    left_out = {column for column, choice in chosen if choice.learn is False}
    if any(choice.learn is not None for _, choice in chosen):
        settings["labels"] = [column for column in columns if column not in left_out]
    values: dict[str, Mapping[str, str | bool]] = {}
    for column, choice in chosen:
        if choice.values and column not in left_out:
            values[column] = {**values.get(column, {}), **choice.values}
    if values:
        settings["values"] = values
    return settings


def to_toml(value: object) -> str:
    """Returns a text, boolean, number, list or table as TOML in one line."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)} = {to_toml(v)}" for key, v in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
