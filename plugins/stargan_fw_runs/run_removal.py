"""Removes runs that were named, and refuses whatever is not surely one."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from rich.filesize import decimal as format_size

from stargan_fw.errors import Refusals, RunError, closest
from stargan_fw.files import remove, why_unreadable
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_runs.run_summary import CONFIG

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stargan_fw_runs.run_summary import RunSummary


def choose_removed(names: Sequence[str], runs: Sequence[RunSummary], folder: Path) -> list[RunSummary]:
    """Returns the runs of these names, each once.

    Raises:
        RequestError: a name is not that of a run below the folder, or its run must stay. All refusals are said at once.
    """
    refusals, chosen = Refusals(), {}
    for name in names:
        with refusals.gather():
            run = _find(name, runs, folder)
            _check(run, folder)
            chosen[run.name] = run
    if refusals.problems:
        raise refusals.error()
    return list(chosen.values())


def describe(run: RunSummary) -> str:
    """Returns what would go with a run, in one line."""
    steps = f"step {run.step}" + (f" of {run.steps}" if run.steps else "")
    count = len(run.checkpoints)
    saved = f"{count} checkpoint{'s' * (count != 1)}"
    return f"{run.path}: {run.state}, {steps}, {saved}, {format_size(run.size)}"


def remove_run(run: RunSummary) -> None:
    """Removes a run's folder. The run is held meanwhile, so that no training begins in it.

    Raises:
        RunError: a training holds the run, or the folder cannot be removed. Then nothing of it is gone.
    """
    try:
        with RunFolder(run.path).hold():
            remove(run.path)
    except RunError:
        raise RunError(
            f"'{run.path}' is not removed: a training runs there, or it cannot be written to. Stop it, or permit writing."
        ) from None
    except OSError as error:
        raise RunError(f"'{run.path}' is not removed: {why_unreadable(error)}. Permit it, then try again.") from None


def _find(name: str, runs: Sequence[RunSummary], folder: Path) -> RunSummary:
    """Returns the run of a name, which is relative to the folder or to the working directory, as a shell completes it."""
    plain = name.rstrip("/")
    for run in runs:
        if plain in {run.name, str(run.path), str(run.path.absolute())}:
            return run
    raise RunError(f"'{name}' is no run in '{folder}', so it stays; {closest(name, [run.name for run in runs])}")


def _check(run: RunSummary, folder: Path) -> None:
    if run.path == folder:
        raise RunError(f"'{run.path}' is the listed folder itself, so it stays. List the folder above it.")
    if run.path.is_symlink():
        raise RunError(f"'{run.path}' is a link, so it stays. Remove the link itself: rm {shlex.quote(str(run.path))}")
    if run.training:
        raise RunError(f"'{run.path}' trains now, so it stays. Stop the training first.")
    if run.training is None:
        raise RunError(
            f"'{run.path}' may be training, which cannot be seen from here, so it stays. Remove it where it was trained."
        )
    inner = next((there for there, _, files in os.walk(run.path) if CONFIG in files and there != str(run.path)), None)
    if inner:
        raise RunError(f"'{run.path}' holds another run, '{inner}', so it stays. Move that one elsewhere first.")
