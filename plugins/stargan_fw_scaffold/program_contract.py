"""What trackers and commands promise: see `stargan_fw.Tracker` and `stargan_fw.Command`."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from PIL import Image
from typer.main import get_command

from stargan_fw.errors import PluginError
from stargan_fw_scaffold.faults import FaultError
from stargan_fw_scaffold.temporary import temporary_folder

if TYPE_CHECKING:
    from stargan_fw import Command, Tracker
    from stargan_fw_scaffold.faults import Check, Given
    from stargan_fw_scaffold.target import Found


class TrackerSubject:
    """A tracker, and new run folders to open it for."""

    def __init__(self, found: Found, given: Given) -> None:
        del given
        self.kind: Any = found.item

    def open(self, run: Path) -> Tracker:
        """Opens the tracker for a run folder."""
        tracker: Tracker = self.kind(run)
        return tracker


def it_opens_or_says_what_is_missing(subject: TrackerSubject) -> None:
    try:
        subject.open(temporary_folder())
    except PluginError:
        return  # as it should if a package is missing
    except ImportError as error:
        raise FaultError(
            f"raises {type(error).__name__} if a package is missing: {error}",
            "Raise stargan_fw.errors.PluginError with the line that installs it; the run then trains without it.",
        ) from error


def it_takes_what_a_run_logs(subject: TrackerSubject) -> None:
    run = temporary_folder()
    for first in (0, 2):  # a run that starts, and one that continues from an earlier step
        _log(subject, run, first)


def _log(subject: TrackerSubject, run: Path, first: int) -> None:
    try:
        tracker = subject.open(run)
    except PluginError:
        return
    tracker.start(first, 4)
    for step in range(first + 1, 5):
        tracker.log(step, "pets", {"d/adv": 0.5, "g/adv": float("nan")})
        tracker.advance(step)
    tracker.log_image(4, "samples", Image.new("RGB", (8, 8)))
    tracker.close()


def it_closes_before_it_starts(subject: TrackerSubject) -> None:
    try:
        tracker = subject.open(temporary_folder())
    except PluginError:
        return
    try:
        tracker.close()
    except Exception as error:
        raise FaultError(
            f"raises {type(error).__name__} in close() if a training ends before start()",
            "Close only what was opened: if self.writer is not None.",
        ) from error


def it_leaves_the_runs_files_alone(subject: TrackerSubject) -> None:
    run = temporary_folder()
    (run / "metrics.jsonl").write_text("{}\n", encoding="utf-8")
    _log(subject, run, 0)
    if not (run / "metrics.jsonl").is_file() or (run / "metrics.jsonl").read_text(encoding="utf-8") != "{}\n":
        raise FaultError(
            "changes RUN/metrics.jsonl, which is the trainer's", "Write to a folder of its own: run / name."
        )


class CommandSubject:
    """A command."""

    def __init__(self, found: Found, given: Given) -> None:
        del given
        self.command: Command = found.item
        self.module = found.module


def its_arguments_can_be_read(subject: CommandSubject) -> None:
    try:
        _built(subject.command)
    except Exception as error:
        raise FaultError(
            f"cannot be built by typer: {error}", "Annotate each parameter with a type that can be typed on a line."
        ) from error


def _built(command: Command) -> Any:
    if isinstance(command.run, typer.Typer):
        return get_command(command.run)
    app = typer.Typer(add_completion=False)
    app.command(command.name)(command.run)
    typing.get_type_hints(command.run)
    return get_command(app)


def its_name_is_typed_easily(subject: CommandSubject) -> None:
    name = subject.command.name
    if name != name.lower() or not name.replace("-", "").isalnum():
        raise FaultError(f"has a name that is no lower-case word: {name!r}", f"Call it {name.lower()!r}, or the like.")


def it_says_what_it_does(subject: CommandSubject) -> None:
    run = subject.command.run
    if not ((_built(subject.command).help or "") if isinstance(run, typer.Typer) else inspect.getdoc(run)):
        raise FaultError("has no line in --help", "Write a docstring, or typer.Typer(help=…) for a group.")


def its_module_does_not_import_torch(subject: CommandSubject) -> None:
    load = "runpy.run_path(sys.argv[1])" if subject.module.endswith(".py") else "importlib.import_module(sys.argv[1])"
    program = f"import importlib, runpy, sys\n{load}\nsys.exit('torch' in sys.modules and 9)"
    done = subprocess.run([sys.executable, "-c", program, subject.module], check=False, capture_output=True)  # noqa: S603 - the checked module
    if done.returncode == 9:
        raise FaultError(
            f"imports torch when '{Path(subject.module).name}' is imported, which every start of the program waits for",
            "Import torch, and what imports it, inside the command's function.",
        )


TRACKER_CHECKS: tuple[Check, ...] = (
    it_opens_or_says_what_is_missing,
    it_takes_what_a_run_logs,
    it_closes_before_it_starts,
    it_leaves_the_runs_files_alone,
)
COMMAND_CHECKS: tuple[Check, ...] = (
    its_arguments_can_be_read,
    its_name_is_typed_easily,
    it_says_what_it_does,
    its_module_does_not_import_torch,
)
