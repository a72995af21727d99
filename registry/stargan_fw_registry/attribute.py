"""The base class of attributes.

Everything that differs between the kinds is a method here: how a label becomes numbers, what an edit implies, how
logits become labels. Other code never asks which kind an attribute is.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeAlias

from stargan_fw_registry.json_checks import read_fields, read_object
from stargan_fw_registry.label_errors import LabelError
from stargan_fw_registry.names import check_name, closest, compose, quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

LabelValue: TypeAlias = bool | int | float | str | None
"""The value that an example gives to a label; None means unknown, as does a missing key."""

UNKNOWN = math.nan
NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


class Move(NamedTuple):
    """How an edit changes one position of the label vector: to `factor * current + summand`, kept between 0 and 1."""

    factor: float
    summand: float

    @classmethod
    def to(cls, value: float) -> Self:
        """Returns the move to a value from 0 to 1, whatever the current one is."""
        return cls(0.0, value)


KINDS: dict[str, type[Attribute]] = {}  # by `Attribute.kind`; the module of the kinds fills it


@dataclass(frozen=True)
class Attribute(ABC):
    """One attribute of a dataset, which takes `size` consecutive positions of the label vector.

    Attributes:
        name: what edits and error messages call the attribute.

    Raises:
        LabelError: a name is empty, occurs twice, begins or ends with a blank, or cannot be shown.
    """

    kind: ClassVar[str]
    one_hot: ClassVar[bool] = False
    """True if exactly one position is set (cross-entropy); False if each is set or not (binary cross-entropy)."""
    continuous: ClassVar[bool] = False
    """True if the position takes any value from 0 to 1 (regression)."""

    name: str

    def __post_init__(self) -> None:
        check_name(self.name, f"the name of a {self.kind} attribute")

    @property
    @abstractmethod
    def label_names(self) -> tuple[str, ...]:
        """The name of each position, in order."""

    @property
    def qualified_names(self) -> tuple[str, ...]:
        """The name of each position if another attribute of the dataset uses the short name too."""
        return tuple(f"{self.name}.{label}" for label in self.label_names)

    @property
    def edit_names(self) -> tuple[str, ...]:
        """The names that an edit can use: the attribute's own and that of each position."""
        return (self.name, *self.label_names)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that `encode` reads from an example's labels."""
        return (self.name,)

    @property
    def size(self) -> int:
        """The number of positions."""
        return len(self.label_names)

    @abstractmethod
    def encode(self, labels: Mapping[str, LabelValue]) -> list[float]:
        """Returns one example's labels as `size` numbers: 0, 1 (or between if continuous), or NaN for unknown.

        Raises:
            LabelError: the attribute has no such value.
        """

    @abstractmethod
    def switch(self, position: int, *, on: bool) -> dict[int, float]:
        """Returns the new value, 0 or 1, of each position that changes if an edit sets or clears `position`."""

    def choose(self, value: str | None) -> dict[int, float]:
        """Returns the new value, 0 or 1, of each position that the edit `name=value` changes.

        Args:
            value: one of `label_names`; None if the edit has no `=value`.

        Raises:
            LabelError: the value is missing, or the attribute has no such value.
        """
        if value is None:
            raise LabelError(
                f"{self.name!r} needs a value: write it as '{quote_name(self.name)}={quote_name(self.label_names[0])}'"
            )
        position = next((i for i, label in enumerate(self.label_names) if compose(label) == compose(value)), None)
        if value in self.label_names:
            position = self.label_names.index(value)
        if position is None:
            raise LabelError(f"{self._cannot_be(value)}; {closest(value, map(quote_name, self.label_names))}")
        return self.switch(position, on=True)

    def change(self, position: int | None, value: str | None) -> dict[int, Move]:
        """Returns how each position moves that the edit `label=value` changes.

        A value between 0 and 1 is a strength: the label takes this value, and of the other labels of a group the rest of what
        they have now. A categorical label goes this share of the way from what it is now to being set.

        Args:
            position: the label that the edit names; None if it names the attribute.
            value: what stands behind the equals sign; None if the edit has none.

        Raises:
            LabelError: the label or attribute cannot take this value.
        """
        if position is None:
            return {each: Move.to(number) for each, number in self.choose(value).items()}
        strength = _read_strength(self.label_names[position], value)
        if strength in {0, 1}:
            return {each: Move.to(number) for each, number in self.switch(position, on=strength == 1).items()}
        rest = 1 - strength
        own = Move(rest if self.one_hot else 0.0, strength)
        return {each: own if each == position else Move(rest, 0.0) for each in range(self.size)}

    def shift(self, amount: str) -> Move:
        """Returns how the position moves under the edit `name+amount` or `name-amount`; the amount begins with its sign.

        Raises:
            LabelError: the attribute is not continuous, or the amount is no number or exceeds the range.
        """
        raise LabelError(
            f"{self.name!r} is {self.kind}, not a number, so nothing can be added to it ({amount}): set or clear its labels"
        )

    def write(self, value: float) -> str:
        """Returns what an edit writes behind a label's name so that the label takes a value: "", "=0", "=0.5"."""
        return "" if value == 1 else f"={value:g}"

    def write_move(self, move: Move) -> str:
        """Returns what an edit writes behind the name of a label that moves."""
        return self.write(move.summand)

    def matches(self, label: Any, value: float) -> Any:
        """Tells whether a label, or each in a tensor or an array, has a value; a number may differ by a tenth of the range."""
        return label == value

    def error(self, label: Any, value: Any) -> Any:
        """Returns the error of labels that were read, 1 or 0; of a number the difference in the attribute's own unit."""
        return label != value

    def example_value(self, value: float) -> LabelValue:
        """Returns what an example says for a label of this value from 0 to 1."""
        return bool(value)

    def counts_as_having(self, value: float) -> bool:
        """Tells whether counts of labels count a value among the images that have the label."""
        return value > 0

    def describe_counted(self, label: str, without: bool, having: bool) -> str:
        """Returns what a model can draw of a label that it has seen images without and with; empty if nothing."""
        cleared = f"{label}=0" if without and self.size == 1 else ""
        return label if having else cleared

    def describe_spread(self, values: Iterable[float]) -> str:  # noqa: ARG002 - of a continuous attribute
        """Says which numbers labels from 0 to 1, or NaN, stand for; empty if the attribute is not continuous."""
        return ""

    @property
    def span(self) -> str:
        """The range of a number in words, "from 0 to 100"; empty if the attribute is not continuous."""
        return ""

    @property
    def tested(self) -> tuple[float, ...]:
        """The values of a label that an evaluation translates to."""
        return (1.0, 0.0) if self.size == 1 else (1.0,)

    @property
    def shown(self) -> tuple[str, ...]:
        """What edits write behind a label's name to show on a sheet what the label does."""
        return ("=flip",) if self.size == 1 else ("",)

    @abstractmethod
    def decode(self, logits: Tensor) -> Tensor:
        """Returns the labels, 0 or 1 (or between if continuous) in float32 of shape (B, size), for logits of that shape."""

    def to_dict(self) -> dict[str, object]:
        """Returns the kind and the constructor's arguments as a JSON object."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"kind": self.kind} | {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}

    @staticmethod
    def from_dict(document: object) -> Attribute:
        """Returns the attribute that `to_dict` described.

        Raises:
            LabelError: a key is missing, unknown, or has a value of the wrong type.
        """
        kind = read_object(document, "attribute").get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise LabelError(f"attribute: no kind {kind!r}; {closest(kind, KINDS)}")
        attribute_class = KINDS[kind]
        keys = [field.name for field in fields(attribute_class)]
        arguments = read_fields(document, ["kind", *keys], f"{kind} attribute")
        return attribute_class(**{key: arguments[key] for key in keys})

    def _cannot_be(self, value: object) -> str:
        return f"{self.kind} attribute {self.name!r} cannot be {value!r}"


def is_unknown(value: LabelValue) -> bool:
    """Tells whether an example's value says that nothing is known."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _read_strength(label: str, value: str | None) -> float:
    number = 1.0 if value is None else float(value) if NUMBER.fullmatch(value) else UNKNOWN
    if not 0 <= number <= 1:
        raise LabelError(
            f"label {label!r} cannot be {value!r}: give 0 or 1, a strength between them such as 0.5, or flip where it stands alone"
        )
    return number
