"""Compiles the networks of a trainer, and captures their kernels in graphs where the machine has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stargan_fw.training.machine import captures_graphs, compile_where_it_pays

if TYPE_CHECKING:
    from stargan_fw.training.trainer import Trainer


def compile_trained(trainer: Trainer, steps: int) -> bool:
    """Compiles what a trainer trains, where that is asked for or pays; see `[training]`.

    Args:
        trainer: that has not trained yet; where graphs fail, it is set back to its beginning.
        steps: how long it will train.

    Returns:
        Whether networks are compiled. What is asked for and cannot be had, a log message says.
    """
    config, precision = trainer.config, trainer.precision
    networks = [trainer.method.networks[name] for name in trainer.method.compilable]
    graphs = captures_graphs(config.graphs, precision.device) and bool(networks)
    compiled = compile_where_it_pays(networks, config.compile, precision, steps, graphs=graphs)
    if compiled and graphs and not trainer.try_graphs():
        compile_where_it_pays(networks, "on", precision, steps)
    return compiled
