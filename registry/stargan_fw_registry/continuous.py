"""Labels that are numbers in a range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

from stargan_fw_registry.attribute import NUMBER, UNKNOWN, Attribute, LabelValue, Move, is_unknown
from stargan_fw_registry.label_errors import LabelError
from stargan_fw_registry.names import quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

SHOWN = 5  # values on a sheet and in an evaluation
CLOSE = 0.1  # the share of the range by which numbers may differ that count as the same
PRECISION = 2**-24  # what two labels near 1 in single precision differ by


@dataclass(frozen=True)
class Continuous(Attribute):
    """A number in a range, such as an age: one position, with the range scaled to 0 to 1.

    An example gives a number from `low` to `high`, or None (unknown), under the attribute's name. The scale is that of the
    other labels, so that a network sees them alike. A logit is read through the logistic function, as a binary label's is.

    Attributes:
        low: the least value, in the attribute's own unit.
        high: the greatest value.

    Raises:
        LabelError: the range is no range of finite numbers, or the name is not allowed (see `Attribute`).
    """

    kind: ClassVar[str] = "continuous"
    continuous: ClassVar[bool] = True

    low: float
    high: float

    def __post_init__(self) -> None:
        super().__post_init__()
        for end in ("low", "high"):
            value = getattr(self, end)
            if not _is_finite(value):
                raise LabelError(f"continuous attribute {self.name!r}: {end} is {value!r}: give a number")
            object.__setattr__(self, end, float(value))
        if not self.low < self.high or math.isinf(self.high - self.low):
            raise LabelError(
                f"continuous attribute {self.name!r} goes from {self.low:g} to {self.high:g}: give the least value first, and "
                "then a greater one"
            )

    @property
    def label_names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def qualified_names(self) -> tuple[str, ...]:
        return self.label_names

    @property
    def edit_names(self) -> tuple[str, ...]:
        return self.label_names

    @property
    def shown(self) -> tuple[str, ...]:
        return tuple(map(self.write, self.tested))

    @property
    def tested(self) -> tuple[float, ...]:
        return tuple((2 * number + 1) / (2 * SHOWN) for number in range(SHOWN))

    def encode(self, labels: Mapping[str, LabelValue]) -> list[float]:
        value = labels.get(self.name)
        if is_unknown(value):
            return [UNKNOWN]
        if not _is_finite(value) or not self.low <= float(value) <= self.high:  # type: ignore[arg-type]
            raise LabelError(f"{self._cannot_be(value)}: give a number {self.span}, or None (unknown)")
        return [self._scale(float(value))]  # type: ignore[arg-type]

    def switch(self, position: int, *, on: bool) -> dict[int, float]:
        return {position: float(on)}

    def change(self, position: int | None, value: str | None) -> dict[int, Move]:  # noqa: ARG002 - there is one
        if not value:
            raise LabelError(
                f"{self.name!r} needs a value: write it as '{quote_name(self.name)}{self.write(0.5)}', or as"
                f" '{quote_name(self.name)}+{(self.high - self.low) / 10:g}' for more than it is now"
            )
        if value.startswith("+"):
            raise LabelError(
                f"'{self.name}={value}': write {self.name}={value[1:]}, or {self.name}{value} for more than now"
            )
        number = float(value) if NUMBER.fullmatch(value) else UNKNOWN
        if not self.low <= number <= self.high:
            raise LabelError(f"{self.name!r} cannot be {value!r}: give a number {self.span}")
        return {0: Move.to(self._scale(number))}

    def shift(self, amount: str) -> Move:
        sign, number = amount[:1], amount[1:].strip()
        if not NUMBER.fullmatch(number) or number.startswith("-"):
            raise LabelError(f"'{self.name}{amount}': {number!r} is no number; write it as {self.name}{sign}10")
        by = float(number) / (self.high - self.low)
        if by > 1:
            raise LabelError(f"'{self.name}{amount}': that is more than the whole range {self.span}: give less")
        return Move(1.0, by if sign == "+" else -by)

    def write(self, value: float) -> str:
        """Returns "=60" for 0.6 of the range 0 to 100, with as many digits as a label in single precision tells apart."""
        number = min(max(self.low + value * (self.high - self.low), self.low), self.high)
        close = (text for text in _digits(number) if abs(self._scale(float(text)) - value) < PRECISION)
        return "=" + next((text for text in close if self.low <= float(text) <= self.high), repr(number))

    def write_move(self, move: Move) -> str:
        """Returns "+20" for 0.2 of the range 0 to 100."""
        share, span = abs(move.summand), self.high - self.low
        close = (text for text in _digits(share * span) if abs(float(text) / span - share) < PRECISION)
        return ("-" if move.summand < 0 else "+") + next(text for text in close if float(text) <= span)

    def matches(self, label: Any, value: float) -> Any:
        return abs(label - value) <= CLOSE

    def error(self, label: Any, value: Any) -> Any:
        return abs(label - value) * (self.high - self.low)

    def example_value(self, value: float) -> LabelValue:
        return self.low + value * (self.high - self.low)

    def counts_as_having(self, value: float) -> bool:
        return value >= 0.5

    def describe_counted(self, label: str, without: bool, having: bool) -> str:
        middle = (self.low + self.high) / 2
        ends = [middle if having and not without else self.low, middle if without and not having else self.high]
        return f"{label} from {ends[0]:g} to {ends[1]:g}" if without or having else ""

    def describe_spread(self, values: Iterable[float]) -> str:
        known = sorted(value for value in map(float, values) if not math.isnan(value))
        if not known:
            return ""
        least, middle, most = (self.write(known[place])[1:] for place in (0, len(known) // 2, -1))
        return f"{least} to {most}, median {middle}"

    def decode(self, logits: Tensor) -> Tensor:
        return logits.float().sigmoid()

    @property
    def span(self) -> str:
        return f"from {self.low:g} to {self.high:g}"

    def _scale(self, number: float) -> float:
        return (number - self.low) / (self.high - self.low)


def _is_finite(value: object) -> bool:
    """Tells whether a value is a number, also one of numpy's, and not infinite or NaN."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _digits(number: float) -> list[str]:
    """Returns a number with 6 digits, with 7, and so on."""
    return [f"{number:.{digits}g}" for digits in range(6, 18)]
