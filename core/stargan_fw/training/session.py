"""One training from a checked plan to its last step: decodes the images, makes or continues the run folder, and trains."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from stargan_fw import ranks
from stargan_fw.data.source import decode
from stargan_fw.errors import RunError
from stargan_fw.models.model_config import label_counts
from stargan_fw.runs.checkpoint import restoring
from stargan_fw.runs.split_record import check_splits, describe_split
from stargan_fw.stop_signals import defer_signals
from stargan_fw.training.failed_steps import explain_lack_of_memory
from stargan_fw.training.progress import Progress, decoding_progress, show_changes, show_skipped, show_tuning
from stargan_fw_registry import add_earlier_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from rich.console import Console

    from stargan_fw.data.store import Store
    from stargan_fw.interfaces import Tracker
    from stargan_fw.runs.run_folder import RunFolder
    from stargan_fw.training.plan import Plan
    from stargan_fw.training.train_request import TrainRequest
    from stargan_fw.training.trainer import Trainer


def run_training(
    console: Console,
    plan: Plan,
    request: TrainRequest,
    device: torch.device,
    *,
    max_steps: int | None = None,
    observers: Sequence[Tracker] = (),
) -> tuple[int, int]:
    """Trains a run to its end, or until `max_steps`.

    Args:
        console: shows progress.
        plan: the checked training.
        request: has the run folder, and whether to continue its run.
        device: the device to train on.
        max_steps: the step to stop after; None is the end of the run.
        observers: get the steps in addition to the configured trackers.

    Returns:
        The number of steps before and after; both are the same if nothing was left to do.

    Raises:
        RequestError: if the data cannot be used, or differs from the data that the run began with, or if the run folder cannot
            be written to. Then nothing is written.
        BaseException: after a signal that asks to stop has been obeyed, whatever the signal's handler raises.
    """
    run = request.run
    last = min(plan.steps, max_steps or plan.steps)
    newest = ranks.from_first(lambda: request.steps_made)
    if newest >= last:
        if ranks.rank() == 0:
            with suppress(RunError, OSError), run.hold():  # another process may hold it
                run.checkpoints.remove_leftovers()
        return newest, newest
    with ExitStack() as closing:
        with ranks.together():
            if ranks.rank() == 0:
                closing.enter_context(run.hold())
            request.check_unchanged()
        with ranks.together():
            with ranks.first_of_machine_first():
                stores = decode(plan.config, plan.sources, decoding_progress(console, plan.config.data.image_size))
            show_skipped(console, plan.sources, stores)
            plan.check_readable(stores, device)  # before the run folder is made
        if plan.config.training.tune:
            plan, request = _tune(console, plan, request, stores, device)
        ranks.from_first(lambda: _open_folder(plan, request, stores))
        trainer = closing.enter_context(
            plan.trainer(run, stores, device, request.plugins, Progress(console), observers=observers)
        )
        if request.resume:
            with restoring(run.path):
                trainer.resume()
        before = trainer.step
        if before < last:
            if ranks.rank() == 0:
                request.record_changes(before)
                show_changes(console, request.changes)
            with explain_lack_of_memory(run, plan.config, plan.method, trainer.micro_batch, device):
                _train(trainer, last, closing, run)
        return before, trainer.step


def _tune(
    console: Console, plan: Plan, request: TrainRequest, stores: Mapping[str, Store], device: torch.device
) -> tuple[Plan, TrainRequest]:
    """Returns the training with the settings that tuning chose, and shows and records what it tried."""
    console.print("Trying ways to compute the steps, with a few steps of each.")
    tuning = plan.tune(stores, device, request.plugins)
    show_tuning(console, tuning)
    plan = plan.changed({**tuning.chosen, "tune": False})
    request.run.write_tuning(tuning.record)
    return plan, request.changed(plan.config)


def _open_folder(plan: Plan, request: TrainRequest, stores: Mapping[str, Store]) -> None:
    run = request.run
    if request.resume:
        check_splits(run, plan.sources, stores)
        return
    splits = {source.alias: describe_split(source, stores[source.alias]) for source in plan.sources}
    if request.start:
        add_earlier_counts(label_counts(splits), request.start.label_counts, request.start.method.space)
    run.write_splits(splits)
    run.create(plan.config, plan.space)


def _train(trainer: Trainer, last: int, closing: ExitStack, run: RunFolder) -> None:
    """Trains until step `last` or a signal, and closes the trackers before the signal ends the program."""
    closed = False
    try:
        with defer_signals() as trainer.stop_request:
            trainer.train(last)
            closing.close()
            closed = True
    except BaseException as error:
        if trainer.captures and isinstance(error, RuntimeError | AssertionError):  # torch's graphs raise both
            error.add_note("Kernels are captured in graphs here, which may be the cause. Set training.graphs to off.")
        if closed:
            error.add_note(f"'{run.path}' is saved at step {trainer.step} of {trainer.schedule.steps}.")
        raise
