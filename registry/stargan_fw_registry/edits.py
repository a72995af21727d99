"""Edits: the meaning of a text such as `cat,young=0`.

An edit is a comma-separated list of parts:

- `label` or `label=1` sets a label, `label=0` clears it; `label=0.5` sets it with half of the strength (see
  `Attribute.change`);
- `label=flip` replaces the current value of a binary label by its opposite;
- `age=60` sets a number of a continuous attribute, `age+20` and `age-20` change what it is now, up to the ends of its range;
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

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from stargan_fw_registry.label_errors import LabelError
from stargan_fw_registry.names import closest, quote_name, read_quoted, split_quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stargan_fw_registry.attribute import Move

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

    def assign(self, key: str, value: str | None) -> Mapping[str, Move]:
        """Returns how each label moves that `key=value` changes; `value` is None if there is no `=`."""

    def shift(self, key: str, amount: str) -> Mapping[str, Move]:
        """Returns how each label moves that `key+amount` or `key-amount` changes; the amount begins with its sign."""

    def flip(self, label: str) -> str:
        """Returns `label` if `label=flip` is possible, and raises LabelError otherwise."""


@dataclass(frozen=True)
class Edit:
    """A change of one dataset's labels.

    Attributes:
        dataset: the name of the dataset, which also chooses the mask.
        assignments: pairs of a label's name and its new value, from 0 to 1, including the peers that are cleared.
        flips: names of the binary labels that take the opposite value.
        moves: pairs of a label's name and how its new value follows from the current one.
    """

    dataset: str
    assignments: tuple[tuple[str, float], ...]
    flips: tuple[str, ...] = ()
    moves: tuple[tuple[str, Move], ...] = ()

    @property
    def relative(self) -> tuple[str, ...]:
        """The labels whose new value depends on the current one."""
        return (*self.flips, *(label for label, _ in self.moves))

    def is_complete(self, schema: EditableLabels) -> bool:
        """Returns True if the edit assigns every label, so that the current labels need not be known."""
        return {label for label, _ in self.assignments} == set(schema.names)


class _Part(NamedTuple):
    text: str
    key: str
    value: str | None
    amount: str = ""  # with its sign, if it is added to what the label is now


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
    found = _look_up(part, schemas) or next(filter(None, (_look_up(one, schemas) for one in _with_amount(part))), [])
    if not found:
        if re.fullmatch(r"\d+", part.key) and part.value is None:
            raise LabelError(
                f"no label {part.key!r}: a comma begins another label: write a number with a point, as 60.5"
            )
        known = {quote_name(key) for schema in schemas for key in (*schema.edit_keys, *_prefixed(schema, part.key))}
        datasets = ", ".join(schema.name for schema in schemas)
        raise LabelError(f"no label {part.key!r} in {datasets}; {closest(part.key, known)}")
    return found


def _look_up(part: _Part, schemas: Sequence[EditableLabels]) -> list[_Meaning]:
    prefixed = [
        _Meaning(part, schema, key)
        for schema in schemas
        if part.key.startswith(f"{schema.name}.")
        for key in schema.resolve_key(part.key.removeprefix(f"{schema.name}."))
    ]
    # A dataset's prefix wins over an attribute of the same name, or there would be no way to write the former.
    return prefixed or [_Meaning(part, schema, key) for schema in schemas for key in schema.resolve_key(part.key)]


def _with_amount(part: _Part) -> Iterator[_Part]:
    """Yields the ways to divide "age+20" into a label and an amount, which may be none, as in "age+=20"."""
    text = part.key if part.value is None else f"{part.key}={part.value}"
    for sign in re.finditer(r"[-+](?=\s*([-+=\d.]|$))", text):
        yield part._replace(key=text[: sign.start()].strip(), value=None, amount=text[sign.start() :])


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
    moves: dict[str, Move] = {}
    flips: list[str] = []
    named: dict[str, str] = {}
    origin: dict[str, str] = {}
    for part, schema, key in meanings:
        if part.value == FLIP and key in schema.names:
            flips.append(schema.flip(key))
            changed: Mapping[str, Move] = {}
        else:
            changed = schema.shift(key, part.amount) if part.amount else schema.assign(key, part.value)
        label = next((name for name, move in changed.items() if move.summand), key)
        if label in named:
            raise LabelError(f"label {label!r} is named twice, as {named[label]!r} and {part.text!r}: remove one")
        for name, move in changed.items():
            if moves.setdefault(name, move) != move:
                raise LabelError(f"{part.text!r} contradicts {origin[name]!r}: set one of them")
            origin.setdefault(name, part.text)
        named[label] = part.text
    assignments = tuple((name, move.summand) for name, move in moves.items() if not move.factor)
    depending = tuple((name, move) for name, move in moves.items() if move.factor)
    return Edit(meanings[0].schema.name, assignments, tuple(flips), depending)
