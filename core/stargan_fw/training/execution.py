"""Carries a plan out: decodes, begins or continues the run folder, trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stargan_fw.training.progress import Progress, decoding_progress, show_skipped
from stargan_fw.training.split_record import check_splits, record

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from rich.console import Console

    from stargan_fw.interfaces import Tracker
    from stargan_fw.training.request import TrainRequest
    from stargan_fw.training.session import Plan


def carry_out(
    console: Console,
    plan: Plan,
    request: TrainRequest,
    device: torch.device,
    *,
    max_steps: int | None = None,
    observers: Sequence[Tracker] = (),
) -> tuple[int, int]:
    """Trains.

    Args:
        console: to show progress on.
        plan: what is trained.
        request: with the run folder, and whether its run is continued.
        device: to train on.
        max_steps: where to stop early.
        observers: are told of steps besides the configured trackers.

    Returns:
        The steps that were done before and are done now; the same where nothing is left to do.

    Raises:
        RequestError: the data cannot be used, or is not what the run began with; nothing is written then.
    """
    run = request.run
    stores = plan.decode(decoding_progress(console, plan.config.data.image_size))
    show_skipped(console, plan.sources, stores)
    plan.check_readable(stores, device)  # before the run folder is made
    if request.resume:
        check_splits(run, plan.sources, stores)
    else:
        run.create(plan.config, plan.space)
        run.write_splits({source.alias: record(source, stores[source.alias]) for source in plan.sources})
    last = min(plan.steps, max_steps or plan.steps)
    with plan.trainer(run, stores, device, request.plugins, Progress(console), observers=observers) as trainer:
        if request.resume:
            trainer.resume()
        before = trainer.step
        if before < last:
            trainer.train(last)
        return before, trainer.step
