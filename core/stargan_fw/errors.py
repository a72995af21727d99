"""One exception class for each kind of mistake; `stargan_fw.cli.main` alone turns them into exit codes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from stargan_fw_registry.label_errors import LabelError, RequestError
from stargan_fw_registry.names import closest, is_printable, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "ConfigError",
    "DataError",
    "HubError",
    "LabelError",
    "ModelError",
    "PluginError",
    "Refusals",
    "RequestError",
    "RunError",
    "TrainingError",
    "closest",
    "is_printable",
    "printable",
]


class ConfigError(RequestError):
    """A configuration key or value that cannot be used."""


class DataError(RequestError):
    """A dataset that is missing, misplaced or broken. Its arguments are the problems, of which there may be several."""

    def __str__(self) -> str:
        problems = list(map(str, self.args))
        return "".join(problems) if len(problems) < 2 else "\n- ".join([f"{len(problems)} problems:", *problems])

    @classmethod
    def of(cls, problems: Sequence[str]) -> Self:
        """Returns one error for all problems, each on a line of its own if there are several."""
        return cls(*problems)


class Refusals:
    """Gathers what is wrong with a request in several places, so that all is said at once."""

    def __init__(self) -> None:
        self._errors: list[RequestError] = []

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Keeps the RequestError of the block, if there is one."""
        try:
            yield
        except RequestError as error:
            self._errors.append(error)

    @property
    def problems(self) -> list[str]:
        """What was wrong, in order, each problem once."""
        texts = (error.args if isinstance(error, DataError) else [str(error)] for error in self._errors)
        return list(dict.fromkeys(text for some in texts for text in some))

    def error(self) -> RequestError:
        """Returns the only error as it is, or one DataError for several."""
        return self._errors[0] if len(self.problems) == 1 else DataError.of(self.problems)


class PluginError(RequestError):
    """A plugin that cannot be loaded, or a component that no plugin registers."""


class RunError(RequestError):
    """A run folder that cannot be used in the requested way."""


class TrainingError(Exception):
    """A training that cannot go on, through no fault of the request. What it saved before is whole."""


class ModelError(RequestError):
    """A model that cannot be read or does not fit the request."""


class HubError(RequestError):
    """A request that the Hugging Face Hub refuses, cannot find, or cannot be reached for."""


MAX_LENGTH = 300  # characters


def one_line(text: str) -> str:
    """Returns a text as one line of bounded length, without control characters."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= MAX_LENGTH else f"{line[:MAX_LENGTH]} …"
