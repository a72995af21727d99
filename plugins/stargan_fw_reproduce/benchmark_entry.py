"""What plugins register to enter a method into the benchmark."""

from __future__ import annotations

import re
from collections import abc
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from stargan_fw import hookspec
from stargan_fw.errors import PluginError, closest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

FOLDER = re.compile(r"\w[\w.-]*")  # what a name may be, as run folders are called by it


class BenchmarkEntry:
    """A method with its settings, which the benchmark trains on each pair of datasets and measures.

    Attributes:
        name: names the run folders, so it has letters, digits, "-", "_" and "." only; `--only` takes it.
        title: heads the method's column in the table.
        preset: the name of a preset.
        settings: keys that are set over the preset: "generator.conv_dim" → 32.
        for_pair: further keys by pair, "faces" or "emoji": {"faces": {"method.source": "neutral,Black_Hair"}}.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    preset: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    for_pair: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType({})


def check_entry(entry: type[BenchmarkEntry], pairs: Collection[str]) -> None:
    """Raises PluginError if an entry of a plugin lacks something, or has a name or a pair that the benchmark cannot have.

    Args:
        entry: the entry.
        pairs: the names of the pairs of datasets.
    """
    what = f"The benchmark entry '{entry.name}'"
    for attribute in ("title", "preset"):
        if not isinstance(getattr(entry, attribute, None), str):
            raise PluginError(f"{what} has no `{attribute}`. Give it one, a text.")
    if not FOLDER.fullmatch(entry.name):
        raise PluginError(f"{what} cannot name a folder. Use letters, digits, '-' and '_'.")
    if entry.name in pairs:
        raise PluginError(
            f"{what} has the name of a pair of datasets, so --only could not tell them apart. Give it another name."
        )
    for attribute in ("settings", "for_pair"):
        if not isinstance(getattr(entry, attribute), abc.Mapping):
            raise PluginError(
                f"{what} has `{attribute}` that are no dictionary. Write a dictionary of keys and values."
            )
    for pair in entry.for_pair:
        if pair not in pairs:
            raise PluginError(
                f"{what} has settings for the pair '{pair}', which does not exist; {closest(pair, pairs)}"
            )


@hookspec
def register_benchmark_entries(register: Callable[[type[BenchmarkEntry]], None]) -> None:
    """Registers methods, which `reproduce benchmark` trains and measures beside the others."""
