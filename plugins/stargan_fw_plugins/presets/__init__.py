"""Presets: partial configurations that `--preset` names."""

from pathlib import Path

from stargan_fw import hookimpl
from stargan_fw.hookspecs import RegisterPreset

DEFAULT = "paper"


@hookimpl
def register_presets(register: RegisterPreset) -> None:
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        register(path, default=path.stem == DEFAULT)
