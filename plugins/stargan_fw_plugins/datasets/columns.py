"""What the columns of a table mean: attributes from their values, and per row the labels, the person and the split."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from stargan_fw.errors import ConfigError, DataError, LabelError, closest
from stargan_fw_plugins.datasets.split_names import KNOWN, resolve_splits
from stargan_fw_registry import Attribute, Binary, Categorical, Exclusive, LabelValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stargan_fw.interfaces.dataset import SplitName

YES_AND_NO = (("true", "false"), ("1", "0"), ("1", "-1"), ("yes", "no"), ("y", "n"), ("t", "f"))
WHOLE = re.compile(r"(-?\d+)\.0*")
USUAL_COLUMNS = {"identity": ("identity", "celeb_id"), "split": ("split",)}
MAX_UNREQUESTED_CLASSES = 100  # in a column that `labels` does not name


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
    """

    header: str
    names: Sequence[str]
    rows: int
    read: Callable[[str], Sequence[object]]
    locate: Callable[[int], str]
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)

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


@dataclass(frozen=True)
class ColumnOptions:
    """What a configuration says about the columns.

    Attributes:
        labels: the columns to learn, in order; None means all that have no other use.
        exclusive: group → its columns, of which at most one is set.
        values: column → value in the table → its new name; "" means unknown.
        identity: the column that says who is on an image; None means `identity` or `celeb_id`, if there is one.
        split: the column that says train or test; None means `split`, if there is one.
    """

    labels: Sequence[str] | None = None
    exclusive: Mapping[str, Sequence[str]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str | bool | int]] = field(default_factory=dict)
    identity: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Annotations:
    """What a table says about its images.

    Attributes:
        attributes: in label order.
        labels: label name → one value per row.
        identities: per row, who is on the image.
        splits: per row, "train", "test" or None.
    """

    attributes: Sequence[Attribute]
    labels: Mapping[str, Sequence[LabelValue]]
    identities: Sequence[str | None]
    splits: Sequence[SplitName | None]

    def row(self, index: int) -> dict[str, LabelValue]:
        return {name: values[index] for name, values in self.labels.items()}


def interpret(records: Records, options: ColumnOptions, image: str) -> Annotations:
    """Returns what the table says about its images.

    A column with two values that mean yes and no (true and false, 1 and 0, 1 and -1, yes and no, …, as booleans, numbers
    or texts) is binary. A column of other texts is categorical, with its values sorted. None and "" are unknown.

    Args:
        records: the table.
        options: what the configuration says about it.
        image: the column of images, which is not a label.

    Raises:
        ConfigError: a group is empty, shares a column with another, or has an impossible name.
        DataError: a column is missing or cannot be a label.
    """
    cells = _Cells(records, options)
    identity = _find_role_column(records, options.identity, "identity", options.labels)
    split = _find_role_column(records, options.split, "split", options.labels)
    other_columns = {image, identity, split}
    groups = {
        group: _find_columns(records, members, f"exclusive.{group}") for group, members in options.exclusive.items()
    }
    names = _select_label_columns(records, options, other_columns, groups)
    columns = {name: _interpret_column(cells, name, chosen_by_name=options.labels is not None) for name in names}
    return Annotations(
        _build_attributes(records, columns, groups),
        {label_name(name): values for name, (_, values) in columns.items()},
        [text or None for text in cells.texts(identity)] if identity else [None] * records.rows,
        _row_splits(cells, split) if split else [None] * records.rows,
    )


def label_name(column: str) -> str:
    """Returns the name of a column's label: the last part of a nested column's name."""
    return column.rpartition(".")[2]


def as_text(cell: object) -> str:
    """Returns a cell as text: "" if unknown, "true" or "false" for booleans, and whole numbers without a point.

    Raises:
        TypeError: the cell is no text, number or boolean.
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
    """The cells as texts, renamed as `values` says."""

    def __init__(self, records: Records, options: ColumnOptions) -> None:
        self.records = records
        self._names = {
            records.find(column, "values"): {raw.strip().casefold(): as_text(label) for raw, label in names.items()}
            for column, names in options.values.items()
        }

    def declared_values(self, column: str) -> list[str]:
        """Returns all values of a column if the table or the configuration lists them, else nothing."""
        names = self._names.get(column)
        classes = self.records.classes.get(column)
        if names is None or classes is None:
            return list(dict.fromkeys(filter(None, classes or (names or {}).values())))
        return list(dict.fromkeys(filter(None, (names.get(name.casefold(), "") for name in classes))))

    def texts(self, column: str) -> list[str]:
        """Returns a column as texts.

        Raises:
            DataError: a cell is no text, number or boolean, or `values` has no name for it.
        """
        cells = self.records.read(column)
        try:
            kinds = [(type(cell), cell) for cell in cells]  # apart by type: True, 1 and 1.0 are equal
            texts = {kind: self._rename(column, as_text(kind[1])) for kind in dict.fromkeys(kinds)}
            return [texts.get(kind, "") for kind in kinds]  # NaN is not found, since it equals nothing
        except TypeError:
            self._refuse_nested(column, cells)
        except KeyError as error:
            row = next(row for row, cell in enumerate(cells) if as_text(cell) == error.args[0])
            known = closest(error.args[0], self._names[column])
            raise DataError(
                f"{self.records.locate(row)}, column {column}: '{error.args[0]}' is not among `values.{column}`; {known}"
            ) from None

    def _rename(self, column: str, text: str) -> str:
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
            f"{self.records.locate(row)}, column {column}: a {type(cell).__name__} cannot be a label."
            " Name the columns to learn with `labels`."
        )


def _find_columns(records: Records, names: Iterable[str], option: str) -> list[str]:
    return list(dict.fromkeys(records.find(name, option) for name in names))


def _find_role_column(records: Records, name: str | None, role: str, labels: Sequence[str] | None) -> str | None:
    """Returns the configured column of a role, or else one with a usual name that is not a label."""
    if name is not None:
        return records.find(name, role)
    found = (usual for usual in USUAL_COLUMNS[role] if usual in records.names and usual not in (labels or ()))
    return next(found, None)


def _select_label_columns(
    records: Records, options: ColumnOptions, other_columns: set[str | None], groups: Mapping[str, Sequence[str]]
) -> list[str]:
    """Returns the label columns in order: the chosen ones, then others that the groups name."""
    grouped = [column for members in groups.values() for column in members]
    if len(set(grouped)) < len(grouped) or not all(groups.values()):
        raise ConfigError("`exclusive`: a group is empty or shares a column with another. Give each its own columns.")
    if options.labels is None:
        chosen = [name for name in records.names if name not in other_columns]
    else:
        chosen = _find_columns(records, options.labels, "labels")
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


def _interpret_column(cells: _Cells, column: str, *, chosen_by_name: bool) -> tuple[Attribute, list[LabelValue]]:
    """Returns a column's attribute, and its label per row."""
    texts = cells.texts(column)
    declared_values = cells.declared_values(column)
    known = declared_values or sorted(set(texts) - {""})
    for yes, no in YES_AND_NO:
        if known and {yes, no}.issuperset(text.casefold() for text in known):
            meaning = {text: text.casefold() == yes for text in known}
            return _build_attribute(cells.records, column, Binary), [meaning.get(text) for text in texts]
    if not declared_values:
        _check_classes(cells.records, column, known, chosen_by_name=chosen_by_name)
    return _build_attribute(cells.records, column, lambda name: Categorical(name, known)), [
        text or None for text in texts
    ]


def _build_attribute(records: Records, column: str, build: Callable[[str], Attribute]) -> Attribute:
    try:
        return build(label_name(column))
    except LabelError as error:
        raise DataError(
            f"{records.header}, column {column}: {error}. Rename its values with `values.{column}`."
        ) from None


def _check_classes(records: Records, column: str, known: Sequence[str], *, chosen_by_name: bool) -> None:
    """Raises DataError if the values cannot be classes, or are suspiciously many and the column was not chosen by name."""
    location = f"{records.header}, column {column}:"
    some = ", ".join(known[:3]) + (", …" if len(known) > 3 else "")
    if len(known) < 2:
        holds = f"the value '{some}' everywhere" if known else "no value"
        raise DataError(f"{location} it holds {holds}, which cannot be learned. Leave the column out with `labels`.")
    if all(map(_is_number, known)):
        raise DataError(
            f"{location} it holds the numbers {some}, which are neither 0 and 1 nor -1 and 1. Name the columns to learn"
            f' with `labels`, or what its values mean with `values.{column} = {{"{known[0]}" = "…", …}}`.'
        )
    if len(known) > MAX_UNREQUESTED_CLASSES and not chosen_by_name:
        raise DataError(
            f"{location} it holds {len(known)} different texts ({some}). Name the columns to learn with `labels`."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _build_attributes(
    records: Records,
    columns: Mapping[str, tuple[Attribute, Sequence[LabelValue]]],
    groups: Mapping[str, Sequence[str]],
) -> list[Attribute]:
    """Returns the attributes in order of appearance; a group takes the place of its first member."""
    group_of = {member: group for group, members in groups.items() for member in members}
    attributes: dict[str, Attribute] = {}
    for column, (attribute, _) in columns.items():
        group = group_of.get(column)
        if group is None:
            attributes[f"column {column}"] = attribute
        elif not isinstance(attribute, Binary):
            raise DataError(f"{records.header}, column {column}: `exclusive.{group}` needs columns with two values.")
        elif f"group {group}" not in attributes:
            attributes[f"group {group}"] = _build_group(group, groups[group])
    return list(attributes.values())


def _build_group(group: str, columns: Iterable[str]) -> Attribute:
    try:
        return Exclusive(group, [label_name(column) for column in columns])
    except LabelError as error:
        raise ConfigError(f"`exclusive.{group}`: {error}.") from None


def _row_splits(cells: _Cells, column: str) -> list[SplitName | None]:
    """Returns the split of each row; DataError if a cell is not the name of a split."""
    texts = cells.texts(column)
    side_of = resolve_splits(dict.fromkeys(texts))
    for row, text in enumerate(texts):
        if text and text not in side_of:
            raise DataError(
                f"{cells.records.locate(row)}, column {column}: '{text}' is not the name of a split; "
                f"{closest(text, KNOWN)}. Say what your own names mean with `values.{column}`."
            )
    return [side_of.get(text) for text in texts]
