"""What the columns of a table mean: attributes from their values, and labels, people and splits row by row."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from stargan_fw.errors import ConfigError, DataError, LabelError, closest
from stargan_fw_plugins.datasets.given_splits import KNOWN, sides
from stargan_fw_registry import Attribute, Binary, Categorical, Exclusive, LabelValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stargan_fw.interfaces.dataset import SplitName

YES_AND_NO = (("true", "false"), ("1", "0"), ("1", "-1"), ("yes", "no"), ("y", "n"), ("t", "f"))
WHOLE = re.compile(r"(-?\d+)\.0*")
USUAL_COLUMNS = {"identity": ("identity", "celeb_id"), "split": ("split",)}
MOST_CLASSES = 100  # of a column that nobody asked for by name


@dataclass(frozen=True)
class Records:
    """A table, column by column.

    Attributes:
        header: where the columns are named, for messages: "labels.csv, line 1".
        names: of the columns; a dot leads into a nested one.
        rows: how many there are.
        read: returns a column, a cell a row. Cells are texts, numbers, booleans or None.
        place: where a row is, for messages: "labels.csv, line 7".
        classes: all values of a column, in order, where the table declares them.
    """

    header: str
    names: Sequence[str]
    rows: int
    read: Callable[[str], Sequence[object]]
    place: Callable[[int], str]
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def find(self, name: str, option: str) -> str:
        """Returns the column called `name`, or whose last part is; DataError, naming the option, where none is."""
        nested = [column for column in self.names if label_name(column) == name]
        if name in self.names or len(nested) == 1:
            return name if name in self.names else nested[0]
        problem = f"more than one column '{name}'" if nested else f"no column '{name}'"
        known = nested or self.names
        raise DataError(f"{self.header}: {problem}, which `{option}` names; {closest(name, known)}")


@dataclass(frozen=True)
class Choice:
    """What a configuration says about the columns.

    Attributes:
        labels: the columns to learn, in order; None is all that are not spoken for.
        exclusive: group → its columns, of which at most one is set.
        values: column → what its values are called, for each as it stands in the table; "" is unknown.
        identity: the column that says who is on an image; None is `identity` or `celeb_id`, if any.
        split: the column that says train or test; None is `split`, if any.
    """

    labels: Sequence[str] | None = None
    exclusive: Mapping[str, Sequence[str]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str | bool | int]] = field(default_factory=dict)
    identity: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Meaning:
    """What a table says.

    Attributes:
        attributes: in label order.
        labels: label name → value a row.
        identities: who is on a row's image.
        splits: a row's side.
    """

    attributes: Sequence[Attribute]
    labels: Mapping[str, Sequence[LabelValue]]
    identities: Sequence[str | None]
    splits: Sequence[SplitName | None]

    def row(self, index: int) -> dict[str, LabelValue]:
        """Returns a row's labels."""
        return {name: values[index] for name, values in self.labels.items()}


def interpret(records: Records, choice: Choice, image: str) -> Meaning:
    """Returns what the table means.

    A column of two values that say yes and no (true and false, 1 and 0, 1 and -1, yes and no; booleans, numbers or
    texts) is binary; a column of texts is categorical, its values sorted; None and the empty text are unknown.

    Args:
        records: the table.
        choice: what the configuration says about it.
        image: the column of images, which is no label.

    Raises:
        ConfigError: a group is empty, shares a column with another, or has a name that it cannot have.
        DataError: a column is missing or cannot be a label.
    """
    cells = _Cells(records, choice)
    identity = _optional(records, choice.identity, "identity", choice.labels)
    split = _optional(records, choice.split, "split", choice.labels)
    spoken_for = {image, identity, split}
    groups = {group: _found(records, members, f"exclusive.{group}") for group, members in choice.exclusive.items()}
    names = _selected(records, choice, spoken_for, groups)
    columns = {name: _interpret_column(cells, name, asked=choice.labels is not None) for name in names}
    return Meaning(
        _attributes(records, columns, groups),
        {label_name(name): values for name, (_, values) in columns.items()},
        [text or None for text in cells.texts(identity)] if identity else [None] * records.rows,
        _sides(cells, split) if split else [None] * records.rows,
    )


def label_name(column: str) -> str:
    """Returns what the label of a column is called: the last part of a nested one's name."""
    return column.rpartition(".")[2]


def spell(cell: object) -> str:
    """Returns a cell as text: "" where it is unknown, "true" and "false", and whole numbers without a point.

    Raises:
        TypeError: it is no text, number or boolean.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if not isinstance(cell, (str, int, float)):
        raise TypeError(type(cell).__name__)
    text = str(cell).lower() if isinstance(cell, bool) else str(cell).strip()
    whole = WHOLE.fullmatch(text)
    if whole:
        return "0" if whole[1] == "-0" else whole[1]
    return text


class _Cells:
    """Cells as texts, after the configured names of values."""

    def __init__(self, records: Records, choice: Choice) -> None:
        self.records = records
        self._names = {
            records.find(column, "values"): {raw.strip().casefold(): spell(label) for raw, label in names.items()}
            for column, names in choice.values.items()
        }

    def declared(self, column: str) -> list[str]:
        """Returns all values that a column can have, where the table or the configuration says so."""
        names = self._names.get(column)
        classes = self.records.classes.get(column)
        if names is None or classes is None:
            return list(dict.fromkeys(filter(None, classes or (names or {}).values())))
        return list(dict.fromkeys(filter(None, (names.get(name.casefold(), "") for name in classes))))

    def texts(self, column: str) -> list[str]:
        """Returns a column; DataError where a cell is no text or number, or has no name among those configured."""
        cells = self.records.read(column)
        try:
            kinds = [(type(cell), cell) for cell in cells]  # True, 1 and 1.0 are equal, and two of them look alike
            texts = {kind: self._named(column, spell(kind[1])) for kind in dict.fromkeys(kinds)}
            return [texts.get(kind, "") for kind in kinds]  # what is not found is another "not a number"
        except TypeError:
            self._refuse_nested(column, cells)
        except KeyError as error:
            row = next(row for row, cell in enumerate(cells) if spell(cell) == error.args[0])
            known = closest(error.args[0], self._names[column])
            raise DataError(
                f"{self.records.place(row)}, column {column}: '{error.args[0]}' is not among `values.{column}`; {known}"
            ) from None

    def _named(self, column: str, text: str) -> str:
        names = self._names.get(column)
        if names is None or (not text and "" not in names):
            return text
        if text.casefold() not in names:
            raise KeyError(text)
        return names[text.casefold()]

    def _refuse_nested(self, column: str, cells: Iterable[object]) -> NoReturn:
        row, cell = next(
            (i, cell) for i, cell in enumerate(cells) if not isinstance(cell, (str, int, float, type(None)))
        )
        raise DataError(
            f"{self.records.place(row)}, column {column}: a {type(cell).__name__} cannot be a label."
            " Name the columns to learn with `labels`."
        )


def _found(records: Records, names: Iterable[str], option: str) -> list[str]:
    return list(dict.fromkeys(records.find(name, option) for name in names))


def _optional(records: Records, name: str | None, role: str, labels: Sequence[str] | None) -> str | None:
    """Returns the configured column of a role, or the one that is usually called so and is no label."""
    if name is not None:
        return records.find(name, role)
    found = (usual for usual in USUAL_COLUMNS[role] if usual in records.names and usual not in (labels or ()))
    return next(found, None)


def _selected(
    records: Records, choice: Choice, spoken_for: set[str | None], groups: Mapping[str, Sequence[str]]
) -> list[str]:
    """Returns the label columns in order: those that are chosen, then what else the groups name."""
    grouped = [column for members in groups.values() for column in members]
    if len(set(grouped)) < len(grouped) or not all(groups.values()):
        raise ConfigError("`exclusive`: a group is empty or shares a column with another. Give each its own columns.")
    if choice.labels is None:
        chosen = [name for name in records.names if name not in spoken_for]
    else:
        chosen = _found(records, choice.labels, "labels")
    names = list(dict.fromkeys([*chosen, *grouped]))
    if not names:
        raise DataError(f"{records.header}: no column is left to be a label. Add one, or name some with `labels`.")
    _check_label_names(records, names)
    return names


def _check_label_names(records: Records, names: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(label_name(name), name)
        if other != name:
            raise DataError(
                f"{records.header}: '{other}' and '{name}' would both be the label '{label_name(name)}'."
                " Name the columns to learn with `labels`."
            )


def _interpret_column(cells: _Cells, column: str, *, asked: bool) -> tuple[Attribute, list[LabelValue]]:
    """Returns a column's attribute, and its label a row."""
    texts = cells.texts(column)
    declared = cells.declared(column)
    known = declared or sorted(set(texts) - {""})
    for yes, no in YES_AND_NO:
        if known and {yes, no}.issuperset(text.casefold() for text in known):
            meaning = {text: text.casefold() == yes for text in known}
            return _built(cells.records, column, Binary), [meaning.get(text) for text in texts]
    if not declared:
        _check_classes(cells.records, column, known, asked=asked)
    return _built(cells.records, column, lambda name: Categorical(name, known)), [text or None for text in texts]


def _built(records: Records, column: str, build: Callable[[str], Attribute]) -> Attribute:
    try:
        return build(label_name(column))
    except LabelError as error:
        raise DataError(
            f"{records.header}, column {column}: {error}. Its values can be given other names with `values.{column}`."
        ) from None


def _check_classes(records: Records, column: str, known: Sequence[str], *, asked: bool) -> None:
    """Raises DataError where the values are no classes to learn, unless somebody said so."""
    where = f"{records.header}, column {column}:"
    some = ", ".join(known[:3]) + (", …" if len(known) > 3 else "")
    if len(known) < 2:
        holds = f"the value '{some}' everywhere" if known else "no value"
        raise DataError(f"{where} it holds {holds}, which cannot be learned. Leave the column out with `labels`.")
    if all(map(_is_number, known)):
        raise DataError(
            f"{where} it holds the numbers {some}, which are neither 0 and 1 nor -1 and 1. Name the columns to learn"
            f' with `labels`, or what its values mean with `values.{column} = {{"{known[0]}" = "…", …}}`.'
        )
    if len(known) > MOST_CLASSES and not asked:
        raise DataError(
            f"{where} it holds {len(known)} different texts ({some}). Name the columns to learn with `labels`."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _attributes(
    records: Records,
    columns: Mapping[str, tuple[Attribute, Sequence[LabelValue]]],
    groups: Mapping[str, Sequence[str]],
) -> list[Attribute]:
    """Returns the attributes in order of appearance; a group stands where its first member does."""
    group_of = {member: group for group, members in groups.items() for member in members}
    attributes: dict[str, Attribute] = {}
    for column, (attribute, _) in columns.items():
        group = group_of.get(column)
        if group is None:
            attributes[f"column {column}"] = attribute
        elif not isinstance(attribute, Binary):
            raise DataError(f"{records.header}, column {column}: not two values, as `exclusive.{group}` needs them.")
        elif f"group {group}" not in attributes:
            attributes[f"group {group}"] = _grouped(group, groups[group])
    return list(attributes.values())


def _grouped(group: str, columns: Iterable[str]) -> Attribute:
    try:
        return Exclusive(group, [label_name(column) for column in columns])
    except LabelError as error:
        raise ConfigError(f"`exclusive.{group}`: {error}.") from None


def _sides(cells: _Cells, column: str) -> list[SplitName | None]:
    """Returns the side of each row; DataError where a name is no split's."""
    texts = cells.texts(column)
    side_of = sides(dict.fromkeys(texts))
    for row, text in enumerate(texts):
        if text and text not in side_of:
            raise DataError(
                f"{cells.records.place(row)}, column {column}: '{text}' is not the name of a split; "
                f"{closest(text, KNOWN)}. Names of your own are given a meaning with `values.{column}`."
            )
    return [side_of.get(text) for text in texts]
