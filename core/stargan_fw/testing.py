"""The contract suite, for pytest: what components promise, tried on data made on the fly. `stargan-fw plugins check` runs the same."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol


class ContractCase(Protocol):
    """A promise of one component; its text names both."""

    def run(self) -> None:
        """Raises AssertionError if the component does not keep the promise: a line that says what is wrong, where, and the remedy."""


def contract_cases(
    target: str, *, data: str | Path | None = None, options: Mapping[str, Any] | None = None
) -> list[ContractCase]:
    """Returns what every component of a plugin promises; pytest runs it with `@pytest.mark.parametrize("case", …, ids=str)`.

    Args:
        target: the name of an installed plugin or package, a module, or the path of a `.py` file.
        data: a folder or file to read datasets from. Without it, datasets draw their stand-in data.
        options: options to build the components with, such as {"conv_dim": 4} for small networks.
    """
    (suite,) = entry_points(group="stargan_fw.testing", name="contract_cases")
    cases: list[ContractCase] = suite.load()(target, data=data, options=options)
    return cases
