"""How many steps fit into a time: a short rehearsal, so that a schedule that depends on the steps does end."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from stargan_fw.compute.machine import Precision, steps_worth_compiling, wait_for
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.training.progress import Progress
from stargan_fw.training.session import Plan

if TYPE_CHECKING:
    import torch

    from stargan_fw.config import Config
    from stargan_fw.data.store import Store
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw.training.trainer import Trainer

POINTS = 5  # of the run that are rehearsed: a method may train in stages of different speed
SECONDS = 2.0  # at each
FEW = 1000  # steps of a run that is rehearsed without being compiled
SAVES, MOST_STEPS_BETWEEN = 10, 1000  # checkpoints of a run, and how far apart they are at most


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a run trains.

    Attributes:
        setup: seconds that are spent once: what the first steps take longer, as where networks are compiled.
        step: seconds of a step, on the average of the run.
        save: seconds of a checkpoint with its sheet.
    """

    setup: float
    step: float
    save: float

    def steps(self, seconds: float) -> int:
        """Returns how many steps take so long, at least 1."""
        few = (seconds - self.setup - SAVES * self.save) / self.step
        many = (seconds - self.setup) / (self.step + self.save / MOST_STEPS_BETWEEN)
        return max(1, int(many if few > SAVES * MOST_STEPS_BETWEEN else few))


def save_every(steps: int) -> int:
    """Returns the steps between checkpoints, and between sheets, of a run of so many."""
    return min(MOST_STEPS_BETWEEN, math.ceil(steps / SAVES))


def find_pace(config: Config, plugins: PluginManager, device: torch.device, seconds: float) -> Pace:
    """Rehearses a run; twice where the first time shows that it is long enough for its networks to be compiled.

    Args:
        config: complete.
        plugins: that have its components.
        device: to train on.
        seconds: how long the run may train.

    Raises:
        RequestError: the run cannot begin.
    """
    worth = steps_worth_compiling(Precision.choose(config.training.precision, device))
    pace = rehearse(config, plugins, device, worth - 1 if worth else FEW)
    steps = pace.steps(seconds)
    return rehearse(config, plugins, device, steps) if worth and steps >= worth else pace


def rehearse(config: Config, plugins: PluginManager, device: torch.device, steps: int) -> Pace:
    """Trains for some seconds at several points of a run of so many steps; nothing of it is kept but decoded images."""
    training = config.training.model_copy(update={"steps": steps, "epochs": None, "trackers": []})
    config = config.model_copy(update={"training": training})
    plan = Plan.make(config, plugins)
    stores: dict[str, Store] = plan.decode()
    plan.check_readable(stores, device)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        with plan.trainer(run, stores, device, plugins, Progress(Console(quiet=True))) as trainer:
            return _paced(trainer, steps)


def _paced(trainer: Trainer, steps: int) -> Pace:
    setup, rates = 0.0, []
    for point in range(POINTS):
        trainer.step = int((point + 0.5) / POINTS * steps)
        warm, count = _timed(trainer, 0.0)
        seconds, taken = _timed(trainer, SECONDS)
        rates.append(seconds / taken)
        setup += max(0.0, warm - count * rates[-1])
    start = time.perf_counter()
    trainer.draw_sample()
    trainer.save()
    return Pace(setup, sum(rates) / POINTS, time.perf_counter() - start)


def _timed(trainer: Trainer, least: float) -> tuple[float, int]:
    """Trains for a cycle, in which every dataset has an update of the generator, and on for so many seconds.

    Returns:
        The seconds, and the steps.
    """
    cycle = trainer.config.n_critic * len(trainer.loaders)
    start, taken = time.perf_counter(), 0
    while not taken or time.perf_counter() - start < least:
        for _ in range(cycle):
            trainer.step += 1
            trainer.update(trainer.load())
        taken += cycle
        wait_for(trainer.device)
    return time.perf_counter() - start, taken
