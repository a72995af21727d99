"""A named index of components."""

from __future__ import annotations

from typing import Generic, TypeVar

from stargan_fw_registry.errors import DuplicateNameError, UnknownNameError
from stargan_fw_registry.names import closest

T = TypeVar("T")


class Index(Generic[T]):
    """Components of one kind by name; a duplicate raises and listings are sorted.

    Args:
        kind: what the components are, in the singular, for the errors: "dataset".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._sources: dict[str, str] = {}

    def register(self, name: str, item: T, source: str) -> None:
        """Add `item`, which `source` (a module, file or package) brings.

        Raises:
            DuplicateNameError: `name` is taken; the message names both sources. The first one stays.
        """
        if name in self._items:
            raise DuplicateNameError(
                f"{self.kind} {name!r} of {source} is already registered by {self._sources[name]}: rename one of them"
            )
        self._items[name] = item
        self._sources[name] = source

    def get(self, name: str) -> T:
        """The component called `name`; UnknownNameError with the closest name if there is none."""
        self._require(name)
        return self._items[name]

    def source(self, name: str) -> str:
        """Who registered `name`; UnknownNameError with the closest name if nobody did."""
        self._require(name)
        return self._sources[name]

    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return tuple(sorted(self._items))

    def items(self) -> tuple[tuple[str, T], ...]:
        """Every name with its component, sorted by name."""
        return tuple((name, self._items[name]) for name in self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Index({self.kind!r}: {', '.join(self.names())})"

    def _require(self, name: str) -> None:
        if name not in self._items:
            raise UnknownNameError(f"no {self.kind} is called {name!r}; {closest(name, self._items)}")
