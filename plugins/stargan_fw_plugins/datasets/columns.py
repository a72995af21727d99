"""What the columns of a table mean: attributes from their values, and per row the labels, the person and the split."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from stargan_fw.errors import ConfigError, DataError, LabelError, closest
from stargan_fw_plugins.datasets import column_kinds as kinds
from stargan_fw_plugins.datasets.column_warnings import warn_of_copies, warn_of_values
from stargan_fw_plugins.datasets.doubts import Doubts, Finding
from stargan_fw_plugins.datasets.number_columns import NumberColumn, continuous_line, explain_number, round_outwards
from stargan_fw_plugins.datasets.records import CellTexts, ColumnOptions, Records, label_name
from stargan_fw_plugins.datasets.spellings import is_tick
from stargan_fw_plugins.datasets.split_names import KNOWN, is_split_column, resolve_split_cells
from stargan_fw_registry import Attribute, Binary, Categorical, Exclusive, LabelValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stargan_fw.interfaces.dataset import SplitName

USUAL_COLUMNS = {"identity": ("identity", "celeb_id"), "split": ("split",)}


@dataclass(frozen=True)
class Annotations:
    """What a table says about its images.

    Attributes:
        attributes: in label order.
        labels: label name → one value per row.
        identities: per row, who is on the image.
        splits: per row, "train", "test" or None.
        findings: what was inferred, left out or looks like a mistake.
        by_person: whether a column that nobody named says who is on each image.
    """

    attributes: Sequence[Attribute]
    labels: Mapping[str, Sequence[LabelValue]]
    identities: Sequence[str | None]
    splits: Sequence[SplitName | None]
    findings: Sequence[Finding] = ()
    by_person: bool = False

    def row(self, index: int) -> dict[str, LabelValue]:
        return {name: values[index] for name, values in self.labels.items()}


def interpret(records: Records, options: ColumnOptions, image: str, alias: str = "NAME") -> Annotations:
    """Returns what the table says about its images.

    A column whose values mean yes and no (true and false, 1 and 0, 1 and -1, yes and no, …, as booleans, numbers or
    texts) is binary. A column of other texts is categorical, with its values sorted. None, "" and what spreadsheets
    write for a missing value (NA, nan, NULL, -, …) are unknown.

    Args:
        records: the table.
        options: what the configuration says about it.
        image: the column of images, which is not a label.
        alias: the dataset's name in the configuration, for the lines to paste in messages.

    Raises:
        ConfigError: a group is empty, shares a column with another, or has an impossible name.
        DataError: a column is missing or cannot be a label, or only a person can say what it means.
    """
    return _Interpretation(records, options, image, alias).annotations()


@dataclass
class _Label:
    """What one column is learned as: attributes, and the values of each of their labels per row."""

    attributes: Sequence[Attribute]
    values: Mapping[str, Sequence[LabelValue]]


class _Interpretation:
    """Collects what the columns mean, with all remarks and all doubts."""

    def __init__(self, records: Records, options: ColumnOptions, image: str, alias: str) -> None:
        self.records, self.options = records, options
        self.cells = CellTexts(records, options)
        self.findings: list[Finding] = []
        self.doubts = Doubts(alias, options)
        self._texts: dict[str, list[str]] = {}
        self._counts: dict[str, Counter[str]] = {}
        self.groups = {
            group: records.find_all(members, f"exclusive.{group}") for group, members in options.exclusive.items()
        }
        grouped = [column for members in self.groups.values() for column in members]
        if len(set(grouped)) < len(grouped) or not all(self.groups.values()):
            raise ConfigError(
                "`exclusive`: a group is empty or shares a column with another. Give each its own columns."
            )
        self.numbers = {
            records.find(name, "continuous"): NumberColumn(records, records.find(name, "continuous"), ends, self.doubts)
            for name, ends in options.continuous.items()
        }
        self.named = [*grouped, *self.numbers]  # labels, whatever their cells look like
        if len(set(self.named)) < len(self.named):
            raise ConfigError("`continuous` and `exclusive` name the same column. Leave it out of one of them.")
        self.image = image

    def annotations(self) -> Annotations:
        identity, split = self._find_roles()
        labels = self._interpret_labels(self._select({self.image, identity, split}))
        attributes = self._build_attributes(labels)
        learned = {column: label.values for column, label in labels.items() if column not in self.named}
        self.findings += warn_of_copies(learned, self.doubts)
        identities = [text or None for text in self._read(identity)] if identity else [None] * self.records.rows
        splits = self._row_splits(split) if split else [None] * self.records.rows
        found = identity is not None and self.options.identity is None and identity not in USUAL_COLUMNS["identity"]
        return Annotations(
            attributes,
            {name: values for label in labels.values() for name, values in label.values.items()},
            identities,
            splits,
            self.findings,
            found and None not in identities,
        )

    def _read(self, column: str) -> list[str]:
        if column not in self._texts:
            self._texts[column] = self.cells.texts(column)
        return self._texts[column]

    def _count(self, column: str) -> Counter[str]:
        """Returns known value → number of rows."""
        if column not in self._counts:
            self._counts[column] = Counter(filter(None, self._read(column)))
        return self._counts[column]

    def _say(
        self, kind: Literal["label", "role", "left out", "warning"], column: str, text: str, otherwise: str = ""
    ) -> None:
        self.findings.append(Finding(kind, f"column '{column}': {text}", otherwise))

    def _find_roles(self) -> tuple[str | None, str | None]:
        """Returns the columns of people and of splits: the configured ones, or those that look like it."""
        named: set[str | None] = {
            *self.named,
            *self.records.find_all(self.options.labels or (), "labels"),
            self.image,
        }
        identity = self._find_role("identity", named)
        split = self._find_role("split", {*named, identity})
        free = [name for name in self.records.names if name not in named and self.cells.are_plain(name)]
        if identity is None:
            identity = next((c for c in free if c != split and kinds.names_people(c, self._count(c))), None)
        if split is None:
            split = next((c for c in free if c != identity and is_split_column(c, self._count(c))), None)
        if identity is not None:
            self.cells.read_as_people(identity)
            self._texts.pop(identity, None)
            people = Counter(filter(None, self._read(identity)))
            named_on = f"{len(people)} people on {people.total()} of {self.records.rows} images"
            self._say("role", identity, f"who is on an image, {named_on}")
        return identity, split

    def _find_role(self, role: str, named: set[str | None]) -> str | None:
        name = getattr(self.options, role)
        if name is not None:
            return self.records.find(name, role)
        return next(
            (usual for usual in USUAL_COLUMNS[role] if usual in self.records.names and usual not in named), None
        )

    def _select(self, other_columns: set[str | None]) -> list[str]:
        """Returns the label columns in order: the chosen ones, then others that the groups name."""
        if self.options.labels is not None:
            chosen = self.records.find_all(self.options.labels, "labels")
            others = [name for name in self.records.names if name not in {*chosen, *self.named, *other_columns}]
            if others:
                self.findings.append(Finding("left out", f"{_list_columns(others)}: not named by `labels`"))
        else:
            chosen = [name for name in self.records.names if name not in other_columns and self._is_label(name)]
        names = list(dict.fromkeys([*chosen, *self.named]))
        if not names:
            left_out = "".join(f" {finding}." for finding in self.findings if finding.kind == "left out")
            line = self.doubts.line(labels=["COLUMN", "…"])
            raise DataError(
                f"{self.records.header}: no column is left to be a label.{left_out} Add one, or name some: {line}"
            )
        self.records.check_labels(names)
        return names

    def _is_label(self, column: str) -> bool:
        """Returns whether a column that `labels` need not name is one; notes why not, and whether that is in doubt."""
        if column in self.named or self.cells.is_configured(column) or self.records.classes.get(column):
            return True
        if not self.cells.are_plain(column):
            what = f"{self.cells.describe(column)}, not texts or numbers"
            self._say("left out", column, what, self._explain_lists(column))
            return False
        verdict = kinds.judge(column, self._count(column))
        as_number = explain_number(column, self._count(column), self.doubts)
        if verdict.kind == "left out":
            self._say("left out", column, verdict.reason, self._explain_blanks(column) or as_number)
        elif verdict.kind == "doubtful":
            choices = (kinds.Choice("it is a label", learn=True), kinds.Choice("it is none", learn=False))
            self.doubts.add(column, kinds.Doubt(verdict.reason, choices, as_number))
        return verdict.kind != "left out"

    def _explain_lists(self, column: str) -> str:
        """Returns how to learn a column of lists of texts."""
        lists = self.cells.are_lists_of_texts(column)
        return f"to learn each of the texts: {self.doubts.line(separator='|')}" if lists else ""

    def _explain_blanks(self, column: str) -> str:
        """Returns how to learn a column that says yes, or nothing."""
        counts = self._count(column)
        if len(counts) != 1 or counts.total() == self.records.rows:
            return ""
        (text,) = counts
        known: dict[str, str | bool] = {} if kinds.is_yes_or_no(counts) else {text: True}
        if known and not is_tick(text):
            return ""
        values = known | {"": not (known or kinds.means_yes(text))}
        return f"if an empty cell means no: {self.doubts.line(values={column: values})}"

    def _interpret_labels(self, names: Sequence[str]) -> dict[str, _Label]:
        labels = {}
        for name in names:
            try:
                labels[name] = self._interpret_column(name)
            except DataError as error:
                self.doubts.problems.append(str(error))
        self.doubts.refuse(self.records.header, names, self.findings)
        return labels

    def _interpret_column(self, column: str) -> _Label:
        """Returns a column's attributes, and their labels per row."""
        texts = self._read(column)
        if column in self.numbers:
            return self._read_numbers(column, texts)
        if self._is_divided(column):
            return self._divide(column, texts)
        if not self.records.classes.get(column):
            texts = self._resolve_missing(column, texts)
        counts = Counter(filter(None, texts))
        declared = self.cells.declared_values(column)
        known = list(dict.fromkeys([*declared, *_sort(counts)]))
        self._doubt_values(column, known)
        if kinds.is_yes_or_no(known):
            meaning: dict[str, LabelValue] = {text: kinds.means_yes(text) for text in known}
            said: Counter[str] = Counter()
            for text, count in counts.items():
                said["yes" if meaning[text] else "no"] += count
            self._say_label(column, "yes or no", said)
            values = {label_name(column): [meaning.get(text) for text in texts]}
            return _Label([_build_attribute(self.records, column, Binary)], values)
        if self.doubts.has(column):  # refused in the end, with what else is wrong
            return _Label([], {})
        if set(known) > set(declared):
            self._check_classes(column, known)
        attribute = _build_attribute(self.records, column, lambda name: Categorical(name, known))
        self._say_label(column, f"one of {len(known)}", counts)
        return _Label([attribute], {label_name(column): [text or None for text in texts]})

    def _read_numbers(self, column: str, texts: Sequence[str]) -> _Label:
        attribute, numbers = self.numbers[column].read(texts)
        self._say("label", column, f"a label, a number {attribute.span}; unknown {numbers.count(None)}")
        return _Label([attribute], {attribute.name: numbers})

    def _say_label(self, column: str, kind: str, counts: Counter[str]) -> None:
        some = ", ".join(f"{name} {count}" for name, count in counts.most_common(12))
        more = f", and {len(counts) - 12} more" if len(counts) > 12 else ""
        self._say("label", column, f"a label, {kind}: {some}{more}; unknown {self.records.rows - counts.total()}")

    def _resolve_missing(self, column: str, texts: list[str]) -> list[str]:
        """Returns the texts without words that mean a missing value; notes a doubt if they may be classes."""
        known = [text for text in dict.fromkeys(texts) if text and not self.cells.is_given(column, text)]
        missing, doubts = kinds.doubt_missing(known)
        for doubt in doubts:
            self.doubts.add(column, doubt)
        if not missing or missing == set(known):
            return texts
        return ["" if text in missing else text for text in texts]

    def _doubt_values(self, column: str, known: Sequence[str]) -> None:
        if self.records.classes.get(column):
            return
        given = [text for text in known if self.cells.is_given(column, text)]
        if not given or "-1" not in given:
            for doubt in kinds.doubt_minus_one(known):
                self.doubts.add(column, doubt)
        for doubt in kinds.doubt_spelling([text for text in known if text not in given]):
            self.doubts.add(column, doubt)
        flags = [text for text in given if text in {"true", "false"}]
        others = [text for text in known if not kinds.is_yes_or_no([text])]
        if flags and others:
            names = ", ".join(f"'{text}'" for text in others[:3])
            self.doubts.problems.append(
                f"{self.records.header}, column {column}: {names} is neither yes nor no, which `values.{column}` says of"
                f" others. Say what it means: {self.doubts.line(values={column: dict.fromkeys(others, '')})}"
            )

    def _is_divided(self, column: str) -> bool:
        sign = self.options.separator
        return sign is not None and any(sign in text for text in self._count(column))

    def _divide(self, column: str, texts: Sequence[str]) -> _Label:
        """Returns a yes or no for each part that a cell can name; an empty cell says nothing of any."""
        sign = str(self.options.separator)
        parts = {text: {part.strip() for part in text.split(sign)} - {""} for text in dict.fromkeys(texts)}
        names = sorted(set().union(*parts.values()))
        attributes = [_build_attribute(self.records, column, lambda _, name=name: Binary(name)) for name in names]  # type: ignore[misc]
        for name in names:
            count = sum(name in parts[text] for text in texts)
            unknown = texts.count("")
            self._say("label", column, f"a label '{name}', yes or no: yes {count}, unknown {unknown}")
        return _Label(attributes, {name: [name in parts[text] if text else None for text in texts] for name in names})

    def _check_classes(self, column: str, known: Sequence[str]) -> None:
        """Raises DataError if the values cannot be classes; notes a warning if a cell seems to hold several."""
        location = f"{self.records.header}, column {column}:"
        some = ", ".join(known[:3]) + (", …" if len(known) > 3 else "")
        if len(known) < 2:
            holds = f"the value '{some}' everywhere" if known else "no value"
            blanks = self._explain_blanks(column)
            raise DataError(
                f"{location} it holds {holds}, which cannot be learned{blanks}. Leave the column out with `labels`."
            )
        if all(map(kinds.is_number, known)) and any(float(text) % 1 for text in known):
            raise DataError(
                f"{location} it holds the numbers {some}, which are amounts, not classes. Leave it out with `labels`, or"
                f' say what its values mean with `values.{column} = {{"{known[0]}" = "…", …}}`, or learn it as a number:'
                f" {continuous_line(column, round_outwards(map(float, known)), self.doubts)}"
            )
        sign = kinds.suggest_separator(self._count(column))
        if sign is not None and self.options.separator is None:
            line = self.doubts.line(separator=sign)
            self._say(
                "warning", column, f"cells seem to hold several labels ('{sign}' divides them). To learn each: {line}"
            )

        for warning in warn_of_values(column, known, self.doubts):
            self._say("warning", column, warning)

    def _build_attributes(self, labels: Mapping[str, _Label]) -> list[Attribute]:
        """Returns the attributes in order of appearance; a group takes the place of its first member."""
        group_of = {member: group for group, members in self.groups.items() for member in members}
        attributes: dict[str, Sequence[Attribute]] = {}
        for column, label in labels.items():
            group = group_of.get(column)
            if group is None:
                attributes[f"column {column}"] = label.attributes
            elif not all(isinstance(attribute, Binary) for attribute in label.attributes):
                raise DataError(
                    f"{self.records.header}, column {column}: `exclusive.{group}` needs columns with two values. Leave it out."
                )
            elif f"group {group}" not in attributes:
                attributes[f"group {group}"] = [_build_group(group, self.groups[group])]
        return [attribute for found in attributes.values() for attribute in found]

    def _row_splits(self, column: str) -> list[SplitName | None]:
        """Returns the split of each row; DataError if a cell is not the name of a split."""
        texts = self._read(column)
        side_of = resolve_split_cells(dict.fromkeys(texts), column)
        for row, text in enumerate(texts):
            if text and text not in side_of:
                unknown = [name for name in self._count(column) if name not in side_of]
                line = self.doubts.line(values={column: dict.fromkeys(unknown, "train")})
                raise DataError(
                    f"{self.records.locate(row)}, column {column}: '{text}' is not the name of a split; "
                    f"{closest(text, KNOWN)}. Say what your own names mean, train, val or test: {line}"
                )
        said = ", ".join(f"{name} {count} ({side_of[name]})" for name, count in self._count(column).items())
        self._say("role", column, f"the split: {said}")
        return [side_of.get(text) for text in texts]


def _sort(texts: Iterable[str]) -> list[str]:
    """Returns the texts sorted: as numbers if all are numbers."""
    known = sorted(texts)
    return sorted(known, key=float) if all(map(kinds.is_number, known)) else known


def _list_columns(names: Sequence[str], most: int = 12) -> str:
    some = ", ".join(f"'{name}'" for name in names[:most])
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{'column' if len(names) == 1 else 'columns'} {some}{more}"


def _build_attribute(records: Records, column: str, build: Callable[[str], Attribute]) -> Attribute:
    try:
        return build(label_name(column))
    except LabelError as error:
        values = f"Rename its values with `values.{column}`"
        remedy = values if "values of" in str(error) else "Rename it in the table, or name other columns with `labels`"
        raise DataError(f"{records.header}, column {column}: {error}. {remedy}.") from None


def _build_group(group: str, columns: Iterable[str]) -> Attribute:
    try:
        return Exclusive(group, [label_name(column) for column in columns])
    except LabelError as error:
        raise ConfigError(f"`exclusive.{group}`: {error}.") from None
