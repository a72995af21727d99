"""What plugins register to enter a method into the benchmark."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from stargan_fw import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class BenchmarkEntry:
    """A method with its settings, which the benchmark trains on each pair of datasets and measures.

    Attributes:
        name: names the run folders; `--only` takes it.
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


@hookspec
def register_benchmark_entries(register: Callable[[type[BenchmarkEntry]], None]) -> None:
    """Registers methods, which `reproduce benchmark` trains and measures beside the others."""
