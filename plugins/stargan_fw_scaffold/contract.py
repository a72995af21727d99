"""What a component promises, as checks that say in one line what is wrong, where, and how to mend it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from stargan_fw.errors import RequestError
from stargan_fw_scaffold.dataset_contract import DATASET_CHECKS, DatasetSubject
from stargan_fw_scaffold.faults import FaultError, Given
from stargan_fw_scaffold.loss_contract import LOSS_CHECKS, LossSubject
from stargan_fw_scaffold.method_contract import METHOD_CHECKS, PREREQUISITES
from stargan_fw_scaffold.method_subject import MethodSubject
from stargan_fw_scaffold.network_contract import (
    DISCRIMINATOR_CHECKS,
    GENERATOR_CHECKS,
    DiscriminatorSubject,
    GeneratorSubject,
)
from stargan_fw_scaffold.program_contract import COMMAND_CHECKS, TRACKER_CHECKS, CommandSubject, TrackerSubject
from stargan_fw_scaffold.target import load_target, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stargan_fw_scaffold.faults import Check
    from stargan_fw_scaffold.target import Found


@dataclass(frozen=True)
class ContractCase:
    """One check of one component. As text, the component and what the check makes sure of.

    Attributes:
        component: the kind and name of the component, such as "dataset pets".
        check: the check, a function named for the promise.
        subject: the component, built when the first check needs it.
    """

    component: str
    check: Check
    subject: Any

    def __str__(self) -> str:
        return f"{self.component}: {self.check.__name__.replace('_', ' ')}"

    def run(self) -> None:
        """Runs the check.

        Raises:
            FaultError: if the component does not keep this promise.
        """
        try:
            with _one_thread():
                self.check(self.subject)
        except FaultError:
            raise
        except RequestError as error:
            raise FaultError(f"refuses what it has to accept: {str(error).rstrip('.')}", "Accept it.") from error
        except Exception as error:
            raise FaultError(f"{_name(error)}", f"Mend {place_of(error)}.") from error


@contextmanager
def _one_thread() -> Iterator[None]:
    """Computes with one thread: networks this small run no faster on several, and far slower if other programs are busy too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _name(error: Exception) -> str:
    return f"raises {type(error).__name__}: {str(error).rstrip('.')}"


@dataclass(frozen=True)
class Outcome:
    """What the checks found of one component.

    Attributes:
        component: the kind and name of the component.
        checks: the number of checks that ran.
        faults: a line per promise that the component does not keep.
    """

    component: str
    checks: int
    faults: Sequence[str]


class Suite(NamedTuple):
    """What components of a kind promise.

    Attributes:
        subject: makes of a component what the checks try.
        checks: a function for each promise.
        prerequisites: how many checks, from the first on, must hold for the others to say anything else.
    """

    subject: Callable[[Found, Given], Any]
    checks: Sequence[Check]
    prerequisites: int = 1


SUITES: Mapping[str, Suite] = {
    "dataset": Suite(DatasetSubject, DATASET_CHECKS),
    "generator": Suite(GeneratorSubject, GENERATOR_CHECKS),
    "discriminator": Suite(DiscriminatorSubject, DISCRIMINATOR_CHECKS),
    "loss": Suite(LossSubject, LOSS_CHECKS),
    "method": Suite(MethodSubject, METHOD_CHECKS, PREREQUISITES),
    "tracker": Suite(TrackerSubject, TRACKER_CHECKS),
    "command": Suite(CommandSubject, COMMAND_CHECKS),
}


def contract_cases(
    target: str, *, data: str | Path | None = None, options: Mapping[str, Any] | None = None
) -> list[ContractCase]:
    """Returns the checks of every component that a plugin registers, for `pytest.mark.parametrize`.

        @pytest.mark.parametrize("case", contract_cases("my_package.pets"), ids=str)
        def test_contract(case):
            case.run()

    Args:
        target: the name of an installed plugin or package, a module, or the path of a `.py` file.
        data: a folder or file to read datasets from. Without it, datasets draw their stand-in data.
        options: options to build the components with, such as {"conv_dim": 4}.

    Raises:
        PluginError: if there is no such plugin, or it cannot be used.
    """
    given = Given(Path(data) if data else None, options)
    return [case for found in load_target(target) for case in _cases(found, given)]


def check_plugin(
    target: str, *, data: str | Path | None = None, options: Mapping[str, Any] | None = None
) -> Iterator[Outcome]:
    """Yields what the checks find of each component of a plugin; the arguments are those of `contract_cases`."""
    given = Given(Path(data) if data else None, options)
    for found in load_target(target):
        cases = _cases(found, given)
        faults = dict.fromkeys(_faults(cases, SUITES[found.kind].prerequisites if cases else 0))
        yield Outcome(found.component, len(cases), list(faults))


def _cases(found: Found, given: Given) -> list[ContractCase]:
    if found.kind not in SUITES:
        return []
    suite = SUITES[found.kind]
    subject = suite.subject(found, given)
    return [ContractCase(found.component, check, subject) for check in suite.checks]


def _faults(cases: Sequence[ContractCase], prerequisites: int) -> Iterator[str]:
    """Yields the faults. The first one of a prerequisite is the last: the other checks would say the same again."""
    for number, case in enumerate(cases):
        try:
            case.run()
        except FaultError as fault:
            yield str(fault)
            if number < prerequisites:
                return
