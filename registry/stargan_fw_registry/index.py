"""An index of components by name."""

from __future__ import annotations

from typing import Generic, TypeVar

from stargan_fw_registry.label_errors import DuplicateNameError, UnknownNameError
from stargan_fw_registry.names import closest

T = TypeVar("T")


class Index(Generic[T]):
    """Components of one kind, each with a unique name.

    Attributes:
        kind: what error messages call one component, such as "dataset".
        default: the name of the component that is used if none is named; None if there is no such component.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.default: str | None = None
        self._items: dict[str, T] = {}
        self._sources: dict[str, str] = {}

    def register(self, name: str, item: T, source: str, *, default: bool = False) -> None:
        """Adds a component.

        Args:
            name: the component's name, unique within the index.
            item: the component.
            source: the module, file or package that registers it, for error messages.
            default: whether it is the component that is used if none is named.

        Raises:
            DuplicateNameError: another component has that name already, or is the default, and stays so.
        """
        if name in self._items:
            raise DuplicateNameError(
                f"{self.kind} {name!r} of {source} is already registered by {self._sources[name]}: rename one of them"
            )
        if default and self.default is not None:
            raise DuplicateNameError(
                f"{self.kind} {name!r} of {source} cannot be the default: {self.default!r} of "
                f"{self._sources[self.default]} already is: register it without default=True"
            )
        self._items[name] = item
        self._sources[name] = source
        self.default = name if default else self.default

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
