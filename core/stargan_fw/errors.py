"""One exception class for each kind of mistake; `stargan_fw.cli.main` alone turns them into exit codes."""

from stargan_fw_registry.label_errors import LabelError, RequestError
from stargan_fw_registry.names import closest

__all__ = [
    "ConfigError",
    "DataError",
    "HubError",
    "LabelError",
    "ModelError",
    "PluginError",
    "RequestError",
    "RunError",
    "closest",
]


class ConfigError(RequestError):
    """A configuration key or value that cannot be used."""


class DataError(RequestError):
    """A dataset that is missing, misplaced or broken."""


class PluginError(RequestError):
    """A plugin that cannot be loaded, or a component that nobody registers."""


class RunError(RequestError):
    """A run folder that cannot be used as asked."""


class ModelError(RequestError):
    """A model that cannot be read or does not fit the request."""


class HubError(RequestError):
    """What the Hugging Face Hub does not have, does not allow, or cannot be asked."""


LONGEST = 300  # characters


def one_line(text: str) -> str:
    """Returns a text as one line of bounded length, without what a terminal would obey."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"
