"""Runs an experiment: trains the runs that it lacks, measures, and collects the report."""

from __future__ import annotations

import datetime as dt
import gc
import importlib.metadata
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from stargan_fw.api import Stopped, prepare_training
from stargan_fw_bench import Throughput, measure_throughput
from stargan_fw_reproduce.experiment_report import Report
from stargan_fw_reproduce.kept_evaluations import KeptEvaluations
from stargan_fw_reproduce.local_context import LocalContext, reproduce_command, train_command
from stargan_fw_reproduce.run_length import RunRecord, StepTimer, steps_within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console

    from stargan_fw_reproduce.experiment import PlannedRun
    from stargan_fw_reproduce.reproduction import Reproduction, SeededRun

    Progress = Callable[[str, Iterable[int]], Iterable[int]]


def run_experiment(
    reproduction: Reproduction, out: Path, device: torch.device, console: Console, progress: Progress
) -> Report:
    """Trains the missing runs, measures, and writes and returns the report. What was measured is kept until it is written.

    Args:
        reproduction: the experiment and its runs.
        out: the folder that the report is written to.
        device: the device to compute on.
        console: shows how training goes.
        progress: shows how everything else goes: it wraps the steps of what takes long, given a description.

    Raises:
        RequestError: a run cannot be trained or continued, or something cannot be measured.
    """
    train_missing(reproduction, device, console)
    experiment, request = reproduction.experiment, reproduction.request
    kept = KeptEvaluations(out / "measured")
    context = LocalContext(reproduction, device, out, progress, kept)
    context.commands.append(reproduce_command(experiment.name, request, out.parent, str(device)))
    context.commands += [train_command(run, request, str(device)) for run in reproduction.runs]
    report = Report(experiment.name, experiment.title, experiment.about, describe(reproduction, device))
    for section in experiment.report(context):
        report.add(section)
    report.runs, report.measurements, report.commands = reproduction.runs, context.measurements, context.commands
    report.write(out)
    kept.remove()
    return report


def describe(reproduction: Reproduction, device: torch.device) -> dict[str, Any]:
    """Returns what was asked for and what computed it, for the head of the report."""
    request = reproduction.request
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "size": request.size,
        "budget in minutes": request.budget,
        "steps": request.steps,
        "images of each run": request.images,
        "test images of a dataset": request.limit or reproduction.experiment.limit,
        "seeds": reproduction.seeds if any(run.planned.seeded for run in reproduction.runs) else None,
        "data": request.data,
        "device": f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads() if device.type == "cpu" else None,
        "stargan-fw": importlib.metadata.version("stargan-fw"),
        "torch": torch.__version__,
    }


def _processor() -> str:
    """Returns the processor's name, or the architecture if the system has no name."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
        )
    return platform.processor() or platform.machine()


def train_missing(reproduction: Reproduction, device: torch.device, console: Console) -> None:
    """Trains every run to its end. A run that was stopped goes on after its last checkpoint.

    Raises:
        RequestError: a run cannot be trained or continued.
    """
    measured = set_missing_lengths(reproduction, device, console)
    for run in reproduction.runs:
        if run.is_done:
            console.print(f"{run.folder.path}: done, {run.steps} steps", markup=False, soft_wrap=True)
        else:
            _train(run, reproduction, measured.get(run.planned), device, console)


def set_missing_lengths(
    reproduction: Reproduction, device: torch.device, console: Console
) -> dict[PlannedRun, Throughput]:
    """Gives every run without a length its steps, and returns the throughputs that the steps follow from."""
    if reproduction.share is None:
        return {}
    seconds = reproduction.share * 60
    measured: dict[PlannedRun, Throughput] = {}
    known = {run.planned: run.steps for run in reproduction.begun if run.steps}
    missing = [run for run in reproduction.runs if not run.folder.holds_run]
    equal = reproduction.experiment.equal == "steps"
    for run in missing:
        if run.planned in measured or run.planned in known or (equal and known):
            continue
        console.print(f"{run.planned.title}: measuring how fast it trains", markup=False, soft_wrap=True)
        measured[run.planned] = measure_throughput(run.config, run.plugins, device)
        gc.collect()
    common = next(iter(known.values()), None) or _common_steps(reproduction, measured, seconds) if equal else None
    for run in missing:
        run.set_length(common or known.get(run.planned) or steps_within(measured[run.planned], seconds))
    return measured


def _common_steps(reproduction: Reproduction, measured: dict[PlannedRun, Throughput], seconds: float) -> int:
    """Returns the steps that each run can take if all runs together take the whole budget."""
    every = [measured[run.planned] for run in reproduction.runs]
    together = Throughput(
        setup=sum(one.setup for one in every), step=sum(one.step for one in every), save=sum(one.save for one in every)
    )
    return steps_within(together, seconds * len(every))


def _train(
    run: SeededRun, reproduction: Reproduction, measured: Throughput | None, device: torch.device, console: Console
) -> None:
    training = prepare_training(run.config, run.plugins, run.folder)
    if run.record is None or not training.resumes:
        budget = run.minutes if run.folder.holds_run and run.record else reproduction.share
        step_seconds = measured.step if measured else None
        run.record = RunRecord(reproduction.experiment.name, training.steps, budget, step_seconds)
    console.print(f"{run.folder.path}: {run.title}, {training.steps} steps", markup=False, soft_wrap=True)
    try:
        training.run(device, console, [StepTimer(run.folder.path, run.record)])
    except Stopped as stopped:
        run.record.write(run.folder.path)
        stopped.add_note("The same command continues.")
        raise
    gc.collect()
