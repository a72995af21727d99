"""What a person can choose for each attribute of a model's labels, and the edits that the choices stand for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from stargan_fw.errors import ModelError
from stargan_fw_registry import LabelSchema, quote_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stargan_fw_registry import Attribute, Edit, LabelSpace

KEEP = ""  # the choice that leaves an attribute as the model reads it from the picture
KEPT = "as it is"
STEPS = 100  # of a slider over a range that is no range of whole numbers


@dataclass(frozen=True)
class Choice:
    """A choice of one value of an attribute.

    Attributes:
        title: the attribute in plain words.
        options: pairs of a text and the edit that it stands for, `KEEP` first.
    """

    values: ClassVar[int] = 1  # that a person sets

    title: str
    options: tuple[tuple[str, str], ...]

    def part(self, chosen: str) -> str:
        """Returns the edit that was chosen, or `KEEP` for what is no option."""
        return chosen if chosen in dict(self.options).values() else KEEP


@dataclass(frozen=True)
class Number:
    """A choice of a number in a range.

    Attributes:
        title: the attribute in plain words.
        attribute: the continuous attribute.
        key: the label's name with that of its dataset, as an edit writes it.
        low: the least number.
        high: the greatest number.
        step: the distance between two numbers of a slider.
    """

    values: ClassVar[int] = 2

    title: str
    attribute: Attribute
    key: str
    low: float
    high: float
    step: float

    def part(self, wanted: bool, number: float) -> str:
        """Returns the edit that sets the number, or `KEEP` if it is not wanted."""
        if not wanted:
            return KEEP
        share = (number - self.low) / (self.high - self.low)
        return self.key + self.attribute.write(min(max(share, 0.0), 1.0))


@dataclass(frozen=True)
class DatasetControls:
    """What can be chosen for the attributes of one dataset.

    Attributes:
        schema: the labels that are offered; those of the dataset that all models know.
        controls: one per attribute, in order.
    """

    schema: LabelSchema
    controls: tuple[Choice | Number, ...]

    @property
    def values(self) -> int:
        """How many values a person sets."""
        return sum(control.values for control in self.controls)

    def edit(self, values: Sequence[Any]) -> str:
        """Returns the edit that the values of the controls stand for, as `Translator.translate` takes it; empty if none is."""
        rest = iter(values)
        parts = [control.part(*islice(rest, control.values)) for control in self.controls]
        return ",".join(part for part in parts if part != KEEP)


def make_controls(spaces: Mapping[str, LabelSpace]) -> list[DatasetControls]:
    """Returns the controls of each dataset, for the attributes that all models have alike.

    Args:
        spaces: the label space of each model, by the model's name.

    Raises:
        ModelError: no attribute is common to all models.
    """
    first, *others = spaces.values()
    found = []
    for schema in first.schemas:
        shared = [
            attribute for attribute in schema.attributes if all(_has(one, schema.name, attribute) for one in others)
        ]
        if shared:
            schema_of_shared = LabelSchema(schema.name, shared)
            found.append(DatasetControls(schema_of_shared, tuple(map(_control, shared, _keys(schema_of_shared)))))
    if not found:
        known = "; ".join(f"{name} knows {', '.join(space.names[:8])}" for name, space in spaces.items())
        raise ModelError(
            f"No label is common to all models ({known}). Show them apart: one 'stargan-fw demo' for each."
        )
    return found


def in_words(name: str) -> str:
    """Returns a name of a dataset, an attribute or a label as people write it: "Blond hair" for "Blond_Hair"."""
    words = name.replace("_", " ").strip()
    first, *rest = words.split() or [name]
    return " ".join([first if first.isupper() else first[:1].upper() + first[1:], *map(_lower, rest)])


def describe_labels(schema: LabelSchema, edit: Edit) -> str:
    """Returns the labels that an edit sets and the numbers that it gives, in plain words: "Blond hair, Age 37"."""
    kinds = schema.kinds
    return ", ".join(
        in_words(label) + kinds[label].write(value).replace("=", " ", 1)
        for label, value in edit.assignments
        if value == 1 or kinds[label].continuous
    )


def _lower(word: str) -> str:
    return word.lower() if word.istitle() else word


def _has(space: LabelSpace, dataset: str, attribute: Attribute) -> bool:
    return dataset in space.datasets and attribute in space.schema(dataset).attributes


def _keys(schema: LabelSchema) -> list[tuple[str, ...]]:
    """Returns the names of each attribute's labels, as an edit writes them."""
    return [tuple(f"{schema.name}.{quote_name(name)}" for name in schema.names[part]) for _, part in schema.parts]


def _control(attribute: Attribute, keys: tuple[str, ...]) -> Choice | Number:
    """Returns the control of an attribute whose labels edits call `keys`."""
    title = in_words(attribute.name)
    if attribute.continuous:
        low, high = (float(attribute.example_value(end) or 0) for end in (0.0, 1.0))
        whole = low.is_integer() and high.is_integer() and high - low >= 10
        return Number(title, attribute, keys[0], low, high, 1.0 if whole else (high - low) / STEPS)
    if attribute.size == 1:
        yes, no = (keys[0] + (attribute.write(value) or "=1") for value in (1.0, 0.0))
        return Choice(title, ((KEPT, KEEP), ("yes", yes), ("no", no)))
    options = [(KEPT, KEEP), *zip(map(in_words, attribute.label_names), keys, strict=True)]
    if not attribute.one_hot:  # a group of which none may be set
        options.append(("none of these", ",".join(f"{key}=0" for key in keys)))
    return Choice(title, tuple(options))
