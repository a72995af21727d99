"""The kinds of attribute that a dataset can have: binary, categorical and exclusive, and from another module continuous."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stargan_fw_registry.attribute import KINDS, UNKNOWN, Attribute, LabelValue, is_unknown
from stargan_fw_registry.continuous import Continuous
from stargan_fw_registry.label_errors import ExclusiveLabelsError, LabelError
from stargan_fw_registry.names import check_names, closest

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Attribute", "Binary", "Categorical", "Continuous", "Exclusive", "LabelValue"]

_BINARY_VALUES: dict[Hashable, float] = {1: 1.0, 0: 0.0, -1: 0.0}  # attribute files often write "no" as -1


@dataclass(frozen=True)
class Binary(Attribute):
    """An attribute that an image has or has not: one position.

    An example gives True, False, 1, 0, -1 (no) or None (unknown) under the attribute's name.
    """

    kind: ClassVar[str] = "binary"

    @property
    def label_names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def qualified_names(self) -> tuple[str, ...]:
        return self.label_names

    @property
    def edit_names(self) -> tuple[str, ...]:
        return self.label_names

    def encode(self, labels: Mapping[str, LabelValue]) -> list[float]:
        return [_binary(self.name, labels.get(self.name))]

    def switch(self, position: int, *, on: bool) -> dict[int, float]:
        return {position: float(on)}

    def decode(self, logits: Tensor) -> Tensor:
        return (logits > 0).float()


@dataclass(frozen=True)
class Categorical(Attribute):
    """An attribute that has exactly one of several values: one-hot.

    An example gives one of `values`, or None (unknown), under the attribute's name.

    Attributes:
        values: at least two names, in the order of the positions.

    Raises:
        LabelError: there are fewer than two values, or a name is not allowed (see `Attribute`).
    """

    kind: ClassVar[str] = "categorical"
    one_hot: ClassVar[bool] = True

    values: Sequence[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        values = check_names(self.values, f"values of the categorical attribute {self.name!r}")
        object.__setattr__(self, "values", values)
        if len(values) < 2:
            raise LabelError(f"categorical attribute {self.name!r} has {len(values)} values: give at least two")

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(self.values)

    def encode(self, labels: Mapping[str, LabelValue]) -> list[float]:
        value = labels.get(self.name)
        if is_unknown(value):
            return [UNKNOWN] * self.size
        if value not in self.values:
            raise LabelError(f"{self._cannot_be(value)}; {closest(value, self.values)}")
        return [float(candidate == value) for candidate in self.values]

    def switch(self, position: int, *, on: bool) -> dict[int, float]:
        if not on:
            label = self.label_names[position]
            raise LabelError(f"{label!r} cannot be cleared, since {self.name!r} has one value: name another value")
        return _one_of(position, self.size)

    def decode(self, logits: Tensor) -> Tensor:
        return _largest(logits)


@dataclass(frozen=True)
class Exclusive(Attribute):
    """A group of binaries of which at most one is set, such as hair colours.

    An example gives either a binary value for each member, under the member's name, or the one member that is set,
    under the group's name ("" if none is set, None if unknown), but not both.

    Attributes:
        members: at least one name, in the order of the positions.

    Raises:
        LabelError: there are no members, one has the group's name, or a name is not allowed (see `Attribute`).
    """

    kind: ClassVar[str] = "exclusive"

    members: Sequence[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        members = check_names(self.members, f"members of the exclusive attribute {self.name!r}")
        object.__setattr__(self, "members", members)
        if not members:
            raise LabelError(f"exclusive attribute {self.name!r} has no members: give at least one")
        if self.name in members:
            raise LabelError(f"exclusive attribute {self.name!r} has a member of the same name: rename one")

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(self.members)

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.name, *self.members)

    def encode(self, labels: Mapping[str, LabelValue]) -> list[float]:
        """Returns one example's labels as `size` numbers: 0, 1, or NaN for unknown.

        Raises:
            ExclusiveLabelsError: several members are set.
            LabelError: the attribute has no such value, or the group and its members are both given.
        """
        chosen = labels.get(self.name)
        encoded = [_binary(member, labels.get(member)) for member in self.members]
        if is_unknown(chosen):
            self._check_at_most_one(encoded)
            return encoded
        if not all(math.isnan(value) for value in encoded):
            raise LabelError(f"{self._cannot_be(chosen)} beside labels for its members: give the group or its members")
        if chosen and chosen not in self.members:
            raise LabelError(f"{self._cannot_be(chosen)}; {closest(chosen, self.members)}")
        return [float(member == chosen) for member in self.members]

    def switch(self, position: int, *, on: bool) -> dict[int, float]:
        return _one_of(position, self.size) if on else {position: 0.0}

    def choose(self, value: str | None) -> dict[int, float]:
        return dict.fromkeys(range(self.size), 0.0) if value == "" else super().choose(value)

    def decode(self, logits: Tensor) -> Tensor:
        return _largest(logits) * (logits > 0)

    def _check_at_most_one(self, encoded: Sequence[float]) -> None:
        present = [member for member, value in zip(self.members, encoded, strict=True) if value == 1]
        if len(present) > 1:
            raise ExclusiveLabelsError(
                f"exclusive attribute {self.name!r} has {' and '.join(present)} set: set at most one"
            )


KINDS |= {kind.kind: kind for kind in (Binary, Categorical, Exclusive, Continuous)}


def _binary(name: str, value: LabelValue) -> float:
    if is_unknown(value):
        return UNKNOWN
    number = _BINARY_VALUES.get(value) if isinstance(value, Hashable) else None
    if number is None:
        raise LabelError(f"binary label {name!r} cannot be {value!r}: give True, False or None (unknown)")
    return number


def _one_of(position: int, size: int) -> dict[int, float]:
    return {peer: float(peer == position) for peer in range(size)}


def _largest(logits: Tensor) -> Tensor:
    blank = logits.new_zeros(logits.shape).float()
    return blank.scatter(1, logits.argmax(dim=1, keepdim=True), 1.0)
