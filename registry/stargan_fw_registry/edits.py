"""Edits: the meaning of a text such as `cat,young=0`.

An edit is a comma-separated list of parts:

- `label` or `label=1` sets a label, `label=0` clears it;
- `label=flip` replaces the current value of a binary label by its opposite;
- `attribute=value` chooses a value of a categorical attribute or a member of an exclusive group;
- `group=` clears every member of an exclusive group.

A part may begin with the dataset's name, as in `pets.cat`. If several datasets have a label of that name, the part belongs to
the dataset that all parts share, if there is one; otherwise it must begin with its dataset's name. An edit whose parts are of
several datasets is read as one `Edit` per dataset.

A name with a comma or an equals sign is written in quotes, as in `"black,white"` or `coat="A=B"`, and a quote inside of
such a name twice. (A shell takes quotes away: write `--to '"black,white"'`.) If no name holds a comma or an equals sign,
what can be read without quotes is read so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from stargan_fw_registry.label_errors import LabelError
from stargan_fw_registry.names import closest, quote_name, read_quoted, split_quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    _Parse: TypeAlias = "Callable[[Sequence[list[_Meaning]], Sequence[EditableLabels]], tuple[Edit, ...]]"


FLIP = "flip"


class EditableLabels(Protocol):
    """The labels of one dataset, as far as reading an edit needs them; `LabelSchema` implements this."""

    @property
    def name(self) -> str:
        """The dataset's name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each position, unique within the dataset."""

    @property
    def edit_keys(self) -> tuple[str, ...]:
        """The names that an edit can use: every label and every attribute."""

    def resolve_key(self, key: str) -> tuple[str, ...]:
        """Returns the edit keys that `key` may stand for."""

    def assign(self, key: str, value: str | None) -> dict[str, float]:
        """Returns the new value, 0 or 1, of each label that `key=value` changes; `value` is None if there is no `=`."""

    def flip(self, label: str) -> str:
        """Returns `label` if `label=flip` is possible, and raises LabelError otherwise."""


@dataclass(frozen=True)
class Edit:
    """A change of one dataset's labels.

    Attributes:
        dataset: the name of the dataset, which also chooses the mask.
        assignments: pairs of a label's name and its new value, 0 or 1, including the peers that are cleared.
        flips: names of the binary labels that take the opposite value.
    """

    dataset: str
    assignments: tuple[tuple[str, float], ...]
    flips: tuple[str, ...] = ()

    def is_complete(self, schema: EditableLabels) -> bool:
        """Returns True if the edit assigns every label, so that the current labels need not be known."""
        return {label for label, _ in self.assignments} == set(schema.names)


class _Part(NamedTuple):
    text: str
    key: str
    value: str | None


class _Meaning(NamedTuple):
    """A label or an attribute that a part of an edit may name."""

    part: _Part
    schema: EditableLabels
    key: str

    def __str__(self) -> str:
        return f"{self.schema.name}.{quote_name(self.key)}"


def parse_edit(text: str, schemas: Sequence[EditableLabels]) -> Edit:
    """Returns the edit that `text` describes.

    Args:
        text: parts separated by commas, all of one dataset.
        schemas: the datasets whose labels the text may name.

    Raises:
        LabelError: a part names no label, an unknown or an ambiguous one; a value does not suit its label; or two
            parts name the same label, two values of one attribute, or two datasets.
    """
    (edit,) = _first_that_fits(text, schemas, _parse_one)
    return edit


def parse_edits(text: str, schemas: Sequence[EditableLabels]) -> tuple[Edit, ...]:
    """Returns the edits that `text` describes: one per dataset that it names, in the order of `schemas`.

    What can be read as an edit of one dataset is read so.

    Args:
        text: parts separated by commas.
        schemas: the datasets whose labels the text may name.

    Raises:
        LabelError: as `parse_edit`, except that parts of several datasets are no mistake.
    """
    try:
        return (parse_edit(text, schemas),)
    except LabelError:
        return _first_that_fits(text, schemas, _parse_several)


def _first_that_fits(text: str, schemas: Sequence[EditableLabels], parse: _Parse) -> tuple[Edit, ...]:
    """Returns the edits of the first reading that makes sense, and raises the first reading's error if none does."""
    errors = []
    for read in _readings(text, schemas):
        try:
            return parse([_meanings(part, schemas) for part in read()], schemas)
        except LabelError as error:
            errors.append(error)
    raise errors[0]


def _parse_one(meanings: Sequence[list[_Meaning]], _: Sequence[EditableLabels]) -> tuple[Edit, ...]:
    shared = _shared_datasets(meanings)
    if not shared:
        named = ", ".join(
            f"{possible[0].part.key!r} of {' or '.join(sorted(_datasets(possible)))}" for possible in meanings
        )
        raise LabelError(f"one edit names {named}: name labels of one dataset here")
    return (_combine(_only_meanings(meanings, shared)),)


def _parse_several(meanings: Sequence[list[_Meaning]], schemas: Sequence[EditableLabels]) -> tuple[Edit, ...]:
    chosen = _only_meanings(meanings, _shared_datasets(meanings) or {schema.name for schema in schemas})
    of_each: dict[str, list[_Meaning]] = {schema.name: [] for schema in schemas}
    for meaning in chosen:
        of_each[meaning.schema.name].append(meaning)
    return tuple(_combine(own) for own in of_each.values() if own)


def _readings(text: str, schemas: Sequence[EditableLabels]) -> Iterator[Callable[[], list[_Part]]]:
    """Yields the ways to read an edit, the first that fits counts: with quotes, without, as one name with such signs."""
    known = {key for schema in schemas for own in schema.edit_keys for key in (own, f"{schema.name}.{own}")}
    ways = [lambda: [_read_part(part, text) for part in text.split(",")]]
    if '"' in text or "'" in text:
        ways.append(lambda: [_read_quoted_part(part, text) for part in split_quoted(text)])
    yield from reversed(ways) if any("," in key or "=" in key for key in known) else ways
    longest = max(map(len, known))
    ends = [position for position, sign in enumerate(text[: longest + 2]) if sign == "="]
    for end in [len(text), *ends]:
        if text[:end].strip() in known:
            yield partial(_read_whole, text, end)


def _read_whole(text: str, end: int) -> list[_Part]:
    return [_Part(text.strip(), text[:end].strip(), text[end + 1 :].strip() if end < len(text) else None)]


def _read_quoted_part(part: str, text: str) -> _Part:
    key, value = read_quoted(part)
    if not key:
        raise LabelError(f"edit {text!r} names no label in {part!r}: write it as 'label' or 'label=0'")
    return _Part(part.strip(), key, value)


def _read_part(part: str, text: str) -> _Part:
    key, equals, value = (piece.strip() for piece in part.partition("="))
    if not key:
        raise LabelError(f"edit {text!r} names no label in {part!r}: write it as 'label' or 'label=0'")
    return _Part(part.strip(), key, value if equals else None)


def _meanings(part: _Part, schemas: Sequence[EditableLabels]) -> list[_Meaning]:
    prefixed = [
        _Meaning(part, schema, key)
        for schema in schemas
        if part.key.startswith(f"{schema.name}.")
        for key in schema.resolve_key(part.key.removeprefix(f"{schema.name}."))
    ]
    # A dataset's prefix wins over an attribute of the same name, or there would be no way to write the former.
    found = prefixed or [_Meaning(part, schema, key) for schema in schemas for key in schema.resolve_key(part.key)]
    if not found:
        known = {quote_name(key) for schema in schemas for key in (*schema.edit_keys, *_prefixed(schema, part.key))}
        datasets = ", ".join(schema.name for schema in schemas)
        raise LabelError(f"no label {part.key!r} in {datasets}; {closest(part.key, known)}")
    return found


def _prefixed(schema: EditableLabels, key: str) -> list[str]:
    return [f"{schema.name}.{known}" for known in schema.edit_keys] if "." in key else []


def _shared_datasets(meanings: Sequence[list[_Meaning]]) -> set[str]:
    return set.intersection(*map(_datasets, meanings))


def _datasets(meanings: Sequence[_Meaning]) -> set[str]:
    return {meaning.schema.name for meaning in meanings}


def _only_meanings(meanings: Sequence[list[_Meaning]], datasets: set[str]) -> list[_Meaning]:
    return [
        _only_meaning([meaning for meaning in possible if meaning.schema.name in datasets]) for possible in meanings
    ]


def _only_meaning(possible: Sequence[_Meaning]) -> _Meaning:
    meaning, *others = possible
    if others:
        raise LabelError(f"label {meaning.part.key!r} is ambiguous: write one of {', '.join(map(str, possible))}")
    return meaning


def _combine(meanings: Sequence[_Meaning]) -> Edit:
    assignments: dict[str, float] = {}
    flips: list[str] = []
    named: dict[str, str] = {}
    origin: dict[str, str] = {}
    for part, schema, key in meanings:
        if part.value == FLIP and key in schema.names:
            flips.append(schema.flip(key))
            assigned = {}
        else:
            assigned = schema.assign(key, part.value)
        label = next((name for name, value in assigned.items() if value), key)
        if label in named:
            raise LabelError(f"label {label!r} is named twice, as {named[label]!r} and {part.text!r}: remove one")
        for name, value in assigned.items():
            if assignments.setdefault(name, value) != value:
                raise LabelError(f"{part.text!r} contradicts {origin[name]!r}: only one of them can be set")
            origin.setdefault(name, part.text)
        named[label] = part.text
    return Edit(meanings[0].schema.name, tuple(assignments.items()), tuple(flips))
