"""How many steps fit into a time: measured before a run begins, because its schedule depends on how many steps it has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stargan_fw.api import measure_throughput, steps_worth_compiling

if TYPE_CHECKING:
    import torch

    from stargan_fw.api import Config, PluginManager, Throughput

STEPS_WITHOUT_COMPILING = 1000  # of a run that is measured as if its networks were not compiled
SAVES, MOST_STEPS_BETWEEN = 10, 1000  # checkpoints of a run, and how far apart they are at most


def save_every(steps: int) -> int:
    """Returns the steps between checkpoints, and between sample sheets, of a run of so many steps."""
    return min(MOST_STEPS_BETWEEN, math.ceil(steps / SAVES))


def steps_within(throughput: Throughput, seconds: float) -> int:
    """Returns how many steps, with their checkpoints, fit into a time; at least 1."""
    left = seconds - throughput.setup
    few = (left - SAVES * throughput.save) / throughput.step
    many = left / (throughput.step + throughput.save / MOST_STEPS_BETWEEN)
    return max(1, int(many if few > SAVES * MOST_STEPS_BETWEEN else few))


def find_throughput(config: Config, plugins: PluginManager, device: torch.device, seconds: float) -> Throughput:
    """Measures a run, and again with compiled networks if the time is long enough for them to be compiled.

    Args:
        config: complete.
        plugins: that have its components.
        device: to train on.
        seconds: how long the run may train.

    Raises:
        RequestError: the run cannot begin.
    """
    worth = steps_worth_compiling(config, device)
    found = measure_throughput(config, plugins, device, worth - 1 if worth else STEPS_WITHOUT_COMPILING)
    steps = steps_within(found, seconds)
    return measure_throughput(config, plugins, device, steps) if worth and steps >= worth else found
