"""Trains what an experiment lacks."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from stargan_fw.training.session import Plan, run_training
from stargan_fw.training.train_request import TrainRequest
from stargan_fw_reproduce.ledger import Clock, Ledger
from stargan_fw_reproduce.pace import Pace, find_pace

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


def size_missing(reproduction: Reproduction, device: torch.device, console: Console) -> dict[PlannedRun, Pace]:
    """Gives every run without a length its steps, and returns the paces that they follow from."""
    if reproduction.share is None:
        return {}
    paces: dict[PlannedRun, Pace] = {}
    known = {run.planned: run.steps for run in reproduction.begun if run.steps}
    missing = [run for run in reproduction.runs if not run.folder.holds_run]
    equal = reproduction.experiment.equal == "steps"
    for run in missing:
        if run.planned in paces or run.planned in known or (equal and known):
            continue
        console.print(f"{run.planned.title}: measuring its pace", markup=False, soft_wrap=True)
        paces[run.planned] = find_pace(run.config, run.plugins, device, reproduction.share * 60)
        gc.collect()
    common = next(iter(known.values()), None) or _common_steps(reproduction, paces) if equal else None
    for run in missing:
        run.last(common or known.get(run.planned) or paces[run.planned].steps(reproduction.share * 60))
    return paces


def _common_steps(reproduction: Reproduction, paces: dict[PlannedRun, Pace]) -> int:
    """Returns the steps that all runs can take within the whole budget."""
    every = [paces[run.planned] for run in reproduction.runs]
    together = Pace(*(sum(getattr(pace, part) for pace in every) for part in ("setup", "step", "save")))
    return together.steps((reproduction.share or 0) * 60 * len(every))


def _train(
    run: SeededRun, reproduction: Reproduction, pace: Pace | None, device: torch.device, console: Console
) -> None:
    resume = run.folder.holds_run and run.step > 0  # what was stopped before its first checkpoint begins anew
    plan = Plan.make(run.config, run.plugins)
    request = TrainRequest(plan.config, run.plugins, run.folder, resume)
    request.check_labels(plan.space)
    request.check_splits(plan.sources)
    if not resume:
        run.folder.cut_metrics(0)
    name, step = reproduction.experiment.name, pace.step if pace else None
    run.ledger = (run.ledger if resume else None) or Ledger(name, plan.steps, _minutes(run, reproduction), step)
    console.print(f"{run.folder.path}: {run.title}, {plan.steps} steps", markup=False, soft_wrap=True)
    run_training(console, plan, request, device, observers=[Clock(run.folder.path, run.ledger)])
    gc.collect()


def _minutes(run: SeededRun, reproduction: Reproduction) -> float | None:
    """Returns the budget that a run's steps follow from: of an earlier call where one fixed them."""
    if run.folder.holds_run:
        return run.minutes if run.ledger else reproduction.share
    return reproduction.share
