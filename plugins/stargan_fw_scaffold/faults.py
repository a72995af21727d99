"""What a check is given, and how it reports a promise that a component does not keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Check: TypeAlias = "Callable[[Any], None]"


class FaultError(AssertionError):
    """A promise that a component does not keep.

    Args:
        what: what is wrong, and where, as the end of a sentence that begins with the component.
        remedy: a sentence that says what to change.
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(" ".join(f"{what}. {remedy}".split()))


@dataclass(frozen=True)
class Given:
    """What the user gives to check components with.

    Attributes:
        data: a folder or file to read datasets from; None draws data.
        options: options to build the components with, such as {"conv_dim": 4}.
    """

    data: Path | None = None
    options: Mapping[str, Any] | None = None
