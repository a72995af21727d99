"""Runs an experiment from its runs to its report."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
from typing import TYPE_CHECKING, Any

import torch

from stargan_fw_reproduce.bench import WorkBench
from stargan_fw_reproduce.commands import reproduce_command, train_command
from stargan_fw_reproduce.report import Report
from stargan_fw_reproduce.training import train_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from rich.console import Console

    from stargan_fw_reproduce.request import Reproduction

    Progress = Callable[[str, Iterable[int]], Iterable[int]]


def reproduce(
    reproduction: Reproduction, out: Path, device: torch.device, console: Console, progress: Progress
) -> Report:
    """Trains what is missing, measures, and returns the report, which is not written yet.

    Args:
        reproduction: what is asked for.
        out: the folder that the report is for.
        device: to compute on.
        console: to show training on.
        progress: wraps what takes long besides, given a description.

    Raises:
        RequestError: a run cannot be trained or continued, or something cannot be measured.
    """
    train_missing(reproduction, device, console)
    experiment, asked = reproduction.experiment, reproduction.asked
    bench = WorkBench(reproduction, device, out, progress)
    bench.commands.append(reproduce_command(experiment.name, asked, out.parent, str(device)))
    bench.commands += [train_command(run, asked, str(device)) for run in reproduction.runs]
    report = Report(experiment.name, experiment.title, experiment.about, facts(reproduction, device))
    for section in experiment.report(bench):
        report.add(section)
    report.runs, report.evaluations, report.commands = reproduction.runs, bench.evaluations, bench.commands
    return report


def facts(reproduction: Reproduction, device: torch.device) -> dict[str, Any]:
    """Returns what was asked for, and with what it was computed."""
    asked = reproduction.asked
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "size": asked.size,
        "budget in minutes": asked.budget,
        "steps": asked.steps,
        "seeds": reproduction.seeds if any(run.planned.seeded for run in reproduction.runs) else None,
        "data": asked.data,
        "device": f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device),
        "threads": torch.get_num_threads() if device.type == "cpu" else None,
        "stargan-fw": importlib.metadata.version("stargan-fw"),
        "torch": torch.__version__,
    }
