"""What ends or interrupts a training: losses and gradients that are not finite, and too little memory."""

from __future__ import annotations

import logging
import math
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from rich.filesize import decimal as format_size

from stargan_fw import ranks
from stargan_fw.errors import RunError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

    from stargan_fw.compute.machine import Precision
    from stargan_fw.config import Config, TrainingConfig
    from stargan_fw.interfaces import Method
    from stargan_fw.runs.run_folder import RunFolder
    from stargan_fw.training.optimisation import PhaseOptimizer

logger = logging.getLogger(__name__)

RATE = 1e-4  # the paper's (Sec. 5.3)
HELP = "One of these usually helps"
NO_MEMORY = ("out of memory", "can't allocate memory")  # in torch's errors for other devices than CUDA
BYTES_PER_WEIGHT = 16  # a weight, its gradient and Adam's two averages, in fp32


class FiniteSteps:
    """Takes the steps of phases with finite losses and gradients. Others stop the training or are left out.

    Args:
        config: `[training]`, with `on_non_finite` and `max_skipped`.
        networks: the method's networks by name.
        run: the run folder, whose newest checkpoint a message names; None on all ranks but the first, which say nothing.
        precision: the networks' data type.

    Attributes:
        skipped: dataset → phase → the number of updates that were left out since the run began.
        in_a_row: dataset → phase → the number of updates that were left out since the last one that was taken.
    """

    def __init__(
        self, config: TrainingConfig, networks: Mapping[str, nn.Module], run: RunFolder | None, precision: Precision
    ) -> None:
        self._config, self._networks, self._run, self._precision = config, networks, run, precision
        self._most = config.max_skipped if config.on_non_finite == "skip" else 0
        self._norms: dict[str, float] = {}  # of each phase's last finite gradient
        self.skipped: dict[str, dict[str, int]] = {}
        self.in_a_row: dict[str, dict[str, int]] = {}

    def take(self, optimizer: PhaseOptimizer, phase: str, dataset: str, step: int, terms: Mapping[str, Tensor]) -> bool:
        """Takes the step of a phase whose gradients are complete, if its losses and gradients are finite.

        All ranks decide alike, since they see the averages over all ranks.

        Args:
            optimizer: the phase's own, or the one that it shares, with gradients averaged over all ranks.
            phase: the phase's name.
            dataset: the dataset of the batch.
            step: the number of the step.
            terms: the phase's losses by name, summed over micro-batches and averaged over all ranks.

        Returns:
            Whether the step was taken. If not, the weights and the optimiser's state are as before.

        Raises:
            TrainingError: if something is not finite, and this update must not be left out.
        """
        norm = optimizer.gradient_norm()
        found = [norm, *(term.detach().reshape(()).to(norm) for term in terms.values())]
        length, *values = torch.stack(found).tolist()  # one copy: each waits for the device
        if math.isfinite(length) and all(map(math.isfinite, values)):
            optimizer.step(norm=norm)
            self._norms[phase] = length
            self.in_a_row.get(dataset, {}).pop(phase, None)
            return True
        broken = [f"'{phase}/{name}'" for name, value in zip(terms, values, strict=True) if not math.isfinite(value)]
        what = f"the loss {' and '.join(broken)}" if broken else self._gradient(optimizer)
        optimizer.discard()
        self._leave_out(optimizer, phase, dataset, f"Step {step}, dataset '{dataset}', phase '{phase}': {what}")
        return False

    def counts(self, dataset: str) -> dict[str, int]:
        """Returns the numbers of updates left out on a dataset, named as in the metrics; empty if there are none."""
        return {f"{phase}/skipped": count for phase, count in self.skipped.get(dataset, {}).items()}

    def state(self) -> dict[str, Any]:
        """Returns the counts as JSON values; empty if no update was left out."""
        return {"skipped": self.skipped, "in_a_row": self.in_a_row} if self.skipped else {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restores the result of `state`."""
        self.skipped, self.in_a_row = state.get("skipped", {}), state.get("in_a_row", {})

    def _gradient(self, optimizer: PhaseOptimizer) -> str:
        """Names the gradient that is not finite."""
        for name in optimizer.phase.networks:
            gradients = [p.grad for p in self._networks[name].parameters() if p.grad is not None]
            if not all(gradient.isfinite().all() for gradient in gradients):
                return f"the gradient of the network '{name}'"
        return f"the norm of the gradient of {' and '.join(optimizer.phase.networks)}"  # its squares overflow

    def _leave_out(self, optimizer: PhaseOptimizer, phase: str, dataset: str, what: str) -> None:
        """Counts an update that is not taken; TrainingError if that ends the training."""
        for counts in (self.skipped, self.in_a_row):
            of_dataset = counts.setdefault(dataset, {})
            of_dataset[phase] = of_dataset.get(phase, 0) + 1
        # A loss may have changed a buffer, such as the running mean of a batch norm, before it turns out not to be finite.
        broken = [name for name, network in self._networks.items() if not _is_finite(network)]
        row = self.in_a_row[dataset][phase]
        if not self._most:
            raise self._stop(f"{what} is not finite.", optimizer)
        if ranks.agree("a loss or gradient that is not finite", stop=bool(broken)):
            kept = f"nor are values that {' and '.join(broken) or 'a network'} keeps from step to step"
            raise self._stop(f"{what} is not finite, {kept}.", optimizer)
        if row > self._most:
            limit = f"{row} times in a row, more than training.max_skipped = {self._most}"
            raise self._stop(f"{what} is not finite, {limit}.", optimizer)
        if self._run and sum(sum(of_dataset.values()) for of_dataset in self.skipped.values()) == 1:
            logger.warning(
                "%s is not finite. This update and later ones like it are left out, at most %d in a row "
                "(training.max_skipped); '%s/skipped' in metrics.jsonl counts them.",
                *(what, self._most, phase),
            )

    def _stop(self, what: str, optimizer: PhaseOptimizer) -> TrainingError | SystemExit:
        if self._run is None:
            return SystemExit(1)  # the first rank says why
        own = optimizer.phase.name
        lower = min(self._config.learning_rate / 2, RATE)
        changes = {f"training.learning_rate={lower:.3g}": "a lower learning rate"}
        if self._precision.dtype is not torch.float32:
            changes["training.precision=fp32"] = "networks that round less"
        changes[f"training.optimizers.{own}.clip={self._norms.get(own, 1.0):.1g}"] = "clipped gradients"
        if not self._most:
            changes["training.on_non_finite=skip"] = "leaves such updates out, if they are rare"
        return TrainingError(f"{what} Training stopped before the update.\n{_continue_with(self._run, changes, HELP)}")


def _is_finite(network: nn.Module) -> bool:
    return all(bool(value.isfinite().all()) for value in network.state_dict().values() if value.is_floating_point())


def _continue_with(run: RunFolder, changes: Mapping[str, str], why: str) -> str:
    """Returns where a run continues, and the commands that continue it with one of the changes: setting → what it is."""
    try:
        place = f"the last good checkpoint, '{run.checkpoints.latest()}'"
    except (RunError, TrainingError):  # the second one if the last save failed
        place = "the beginning (no checkpoint yet)"
    command = f"stargan-fw train --out {shlex.quote(str(run.path))} --resume"
    lines = [f"  {command} --set {change}  # {what}" for change, what in changes.items()]
    return "\n".join([f"{why}. Continue from {place}:", *lines])


@contextmanager
def explain_lack_of_memory(
    run: RunFolder, config: Config, method: Method, micro_batch: int | None, device: torch.device
) -> Iterator[None]:
    """Turns an out-of-memory error of the block into a TrainingError, which says what would fit.

    Args:
        run: the run folder.
        config: its configuration.
        method: owns the networks.
        micro_batch: the number of images per micro-batch; None is the whole batch.
        device: the device that trains.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_lack_of_memory(error):
            raise
        raise TrainingError(_lack_of_memory(run, config, method, micro_batch, device)) from error


def is_lack_of_memory(error: Exception) -> bool:
    """Returns whether an error says that memory is short, on any device: only CUDA has a class of its own for that."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)


def _lack_of_memory(
    run: RunFolder, config: Config, method: Method, micro_batch: int | None, device: torch.device
) -> str:
    batch, side = config.training.batch_size // ranks.world_size(), config.data.image_size
    part = min(micro_batch or batch, batch)
    parts = "at once" if part == batch else f"in micro-batches of {part}"
    fixed = BYTES_PER_WEIGHT * sum(p.numel() for network in method.networks.values() for p in network.parameters())
    has = f", which has {format_size(torch.cuda.mem_get_info(device)[1])}" if device.type == "cuda" else ""
    cause = (
        f"Out of memory on {device}{has}, with batches of {batch} images of {side} x {side} pixels, {parts}. Weights, "
        f"gradients and Adam's averages take about {format_size(fixed)}; the rest grows with the images at a time."
    )
    lines = [cause]
    if part > 1:
        change = {f"training.micro_batch_size={part // 2}": "the same update, if the method has micro-batches"}
        lines.append(_continue_with(run, change, "Half the images need half of that"))
    fewer = (
        f"--set training.batch_size={config.training.batch_size // 2} or "
        if batch // 2 >= method.min_batch_size
        else ""
    )
    smaller = f"{fewer}--set data.image_size={side // 2}"
    lines.append(f"{'If that is not enough, begin' if part > 1 else 'Begin'} a new run with {smaller}.")
    return "\n".join(lines)
