"""Trains what an experiment lacks."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from stargan_fw.api import Throughput, prepare_training
from stargan_fw_reproduce.ledger import Clock, Ledger
from stargan_fw_reproduce.pace import find_throughput, steps_within

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from stargan_fw_reproduce.experiment import PlannedRun
    from stargan_fw_reproduce.request import Reproduction, SeededRun


def train_missing(reproduction: Reproduction, device: torch.device, console: Console) -> None:
    """Trains every run to its end, beginning with those that nothing is known of; a second call goes on where it stopped.

    Raises:
        RequestError: a run cannot be trained or continued.
    """
    paces = size_missing(reproduction, device, console)
    for run in reproduction.runs:
        if run.is_done:
            console.print(f"{run.folder.path}: done, {run.steps} steps", markup=False, soft_wrap=True)
        else:
            _train(run, reproduction, paces.get(run.planned), device, console)


def size_missing(reproduction: Reproduction, device: torch.device, console: Console) -> dict[PlannedRun, Throughput]:
    """Gives every run without a length its steps, and returns the paces that they follow from."""
    if reproduction.share is None:
        return {}
    paces: dict[PlannedRun, Throughput] = {}
    known = {run.planned: run.steps for run in reproduction.begun if run.steps}
    missing = [run for run in reproduction.runs if not run.folder.holds_run]
    equal = reproduction.experiment.equal == "steps"
    for run in missing:
        if run.planned in paces or run.planned in known or (equal and known):
            continue
        console.print(f"{run.planned.title}: measuring its pace", markup=False, soft_wrap=True)
        paces[run.planned] = find_throughput(run.config, run.plugins, device, reproduction.share * 60)
        gc.collect()
    common = next(iter(known.values()), None) or _common_steps(reproduction, paces) if equal else None
    for run in missing:
        run.last(common or known.get(run.planned) or steps_within(paces[run.planned], reproduction.share * 60))
    return paces


def _common_steps(reproduction: Reproduction, paces: dict[PlannedRun, Throughput]) -> int:
    """Returns the steps that all runs can take within the whole budget."""
    every = [paces[run.planned] for run in reproduction.runs]
    together = Throughput(*(sum(getattr(pace, part) for pace in every) for part in ("setup", "step", "save")))
    return steps_within(together, (reproduction.share or 0) * 60 * len(every))


def _train(
    run: SeededRun, reproduction: Reproduction, pace: Throughput | None, device: torch.device, console: Console
) -> None:
    training = prepare_training(run.config, run.plugins, run.folder)
    name, step = reproduction.experiment.name, pace.step if pace else None
    earlier = run.ledger if training.resumes else None
    run.ledger = earlier or Ledger(name, training.steps, _minutes(run, reproduction), step)
    console.print(f"{run.folder.path}: {run.title}, {training.steps} steps", markup=False, soft_wrap=True)
    training.run(device, console, [Clock(run.folder.path, run.ledger)])
    gc.collect()


def _minutes(run: SeededRun, reproduction: Reproduction) -> float | None:
    """Returns the budget that a run's steps follow from: of an earlier call where one fixed them."""
    if run.folder.holds_run:
        return run.minutes if run.ledger else reproduction.share
    return reproduction.share
