"""Exports whose modules are imported when first used, so that importing a package does not import torch."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_exports(package: str, sources: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns a module-level `__getattr__` for `package`.

    Args:
        package: the package's `__name__`.
        sources: exported name → the module that defines it.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807 - the name that Python calls
        if name not in sources:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(sources[name]), name)

    return __getattr__
