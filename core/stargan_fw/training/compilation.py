"""Compiles the networks of a trainer, and captures their kernels in graphs where the machine has them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from stargan_fw.training.machine import captures_graphs, compile_where_it_pays

if TYPE_CHECKING:
    from stargan_fw.training.trainer import Trainer

logger = logging.getLogger(__name__)


def compile_trained(trainer: Trainer, steps: int) -> bool:
    """Compiles what a trainer trains, where that is asked for or pays; see `[training]`.

    Args:
        trainer: where graphs are tried, it is set back to its beginning, with the weights that it has.
        steps: how long it will train.

    Returns:
        Whether networks are compiled. What is asked for and cannot be had, a log message says.
    """
    config, precision = trainer.config, trainer.precision
    networks = [trainer.method.networks[name] for name in trainer.method.compilable]
    graphs = captures_graphs(config.graphs, precision.device) and bool(networks)
    compiled = compile_where_it_pays(networks, config.compile, precision, steps, graphs=graphs)
    if graphs and not compiled and config.graphs == "on":
        logger.warning(
            "training.graphs = on: nothing is compiled, and so nothing is captured. Set training.compile to on."
        )
    if compiled and graphs and not trainer.try_graphs():
        torch.compiler.reset()
        compile_where_it_pays(networks, "on", precision, steps)
    return compiled
