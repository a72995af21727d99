"""The steps that are measured. The tuner needs them, which is loaded at every start, so this module imports no training."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from stargan_fw.api import Trainer


def cycle(trainer: Trainer) -> int:
    """Trains for one cycle of the method's phases, and returns the number of images."""
    for _ in range(trainer.cycle_steps):
        trainer.step += 1
        trainer.update(trainer.load())
    return trainer.cycle_steps * trainer.config.batch_size


def free_memory(device: torch.device) -> None:
    """Gives back the memory of what nothing refers to any more, and of all that was compiled and captured in this process."""
    gc.collect()  # optimisers and their schedules refer to each other
    torch.compiler.reset()
    if device.type == "cuda":
        torch.cuda.empty_cache()
