"""An index of components by name."""

from __future__ import annotations

from typing import Generic, TypeVar

from stargan_fw_registry.label_errors import DuplicateNameError, UnknownNameError
from stargan_fw_registry.names import closest

T = TypeVar("T")


class Index(Generic[T]):
    """Components of one kind, each with a unique name.

    Args:
        kind: what error messages call one component, such as "dataset".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._sources: dict[str, str] = {}

    def register(self, name: str, item: T, source: str) -> None:
        """Adds a component.

        Args:
            name: the component's name, unique within the index.
            item: the component.
            source: the module, file or package that registers it, for error messages.

        Raises:
            DuplicateNameError: another component has that name already, and keeps it.
        """
        if name in self._items:
            raise DuplicateNameError(
                f"{self.kind} {name!r} of {source} is already registered by {self._sources[name]}: rename one of them"
            )
        self._items[name] = item
        self._sources[name] = source

    def get(self, name: str) -> T:
        """Returns the component called `name`, and raises UnknownNameError if there is none."""
        self._require(name)
        return self._items[name]

    def source(self, name: str) -> str:
        """Returns the source that registered `name`, and raises UnknownNameError if there is none."""
        self._require(name)
        return self._sources[name]

    def names(self) -> tuple[str, ...]:
        """Returns every name, sorted."""
        return tuple(sorted(self._items))

    def items(self) -> tuple[tuple[str, T], ...]:
        """Returns every name with its component, sorted by name."""
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
