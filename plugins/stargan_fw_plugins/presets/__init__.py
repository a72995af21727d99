"""Presets: partial configurations that `--preset` names."""

from collections.abc import Callable
from pathlib import Path

from stargan_fw import hookimpl


@hookimpl
def register_presets(register: Callable[[Path], None]) -> None:
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        register(path)
