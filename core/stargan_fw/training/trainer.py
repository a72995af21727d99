"""The training loop: load, update, log, sample, save."""

from __future__ import annotations

import hashlib
import logging
import math
import signal
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from stargan_fw import ranks
from stargan_fw.compute.batch_norm import norm_over_ranks
from stargan_fw.compute.machine import choose_layout, choose_micro_batch, copy_to, wait_for
from stargan_fw.errors import RunError
from stargan_fw.interfaces import Batch, evaluating
from stargan_fw.rendering.pictures import scale_pixels
from stargan_fw.stop_signals import StopRequest
from stargan_fw.training.failed_steps import FiniteSteps
from stargan_fw.training.optimisation import MovingAverage, phase_optimizers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from PIL import Image
    from torch import Tensor

    from stargan_fw.compute.machine import Precision
    from stargan_fw.config import TrainingConfig
    from stargan_fw.data.loader import Loader
    from stargan_fw.interfaces import Losses, Method, Tracker
    from stargan_fw.rendering.sheets import SampleSheet
    from stargan_fw.runs.checkpoint import Checkpoint
    from stargan_fw.runs.run_folder import RunFolder
    from stargan_fw.training.dataset_schedule import DatasetSchedule
    from stargan_fw.training.optimisation import LinearDecay, PhaseOptimizer

logger = logging.getLogger(__name__)


class ThroughputMeter:
    """Counts images per second of training, without the time for sheets and checkpoints.

    Args:
        step: the number of steps before.
        batch_size: images per step.
        device: the device that trains.
    """

    def __init__(self, step: int, batch_size: int, device: torch.device) -> None:
        self._batch_size, self._device = batch_size, device
        self._step, self._start = step, time.perf_counter()

    def read(self, step: int) -> float:
        """Returns the images per second since the last reading, and starts a new count after `step`."""
        now = time.perf_counter()
        rate = (step - self._step) * self._batch_size / max(now - self._start, 1e-9)
        self._step, self._start = step, now
        return rate

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves out the time of the block, which begins once the device has finished earlier work."""
        wait_for(self._device)
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._start += time.perf_counter() - begin


class Trainer:
    """Trains a method on the loaders' datasets, one batch of one dataset per step.

    Everything random in a step depends on the seed and the step's number alone, so a continued run takes exactly the
    steps that it would have taken without the break.

    Args:
        method: owns networks and losses.
        loaders: the batches of each dataset, in the label space's order.
        run: the folder for all output; None on all ranks but the first, which write nothing.
        config: `[training]`.
        dataset_schedule: chooses the dataset of each step.
        schedule: the learning rate of each step, before phases multiply it.
        precision: the data type and device of the networks.
        sample: draws sheets of held-out images.
        observers: get the steps, metrics and sheets.

    Attributes:
        stop_request: asks to stop after the current step. Whoever can stop the training replaces it.
    """

    def __init__(
        self,
        method: Method,
        loaders: Mapping[str, Loader],
        run: RunFolder | None,
        config: TrainingConfig,
        *,
        dataset_schedule: DatasetSchedule,
        schedule: LinearDecay,
        precision: Precision,
        sample: SampleSheet,
        observers: Sequence[Tracker],
    ) -> None:
        self.method, self.loaders, self.run, self.config = method, loaders, run, config
        self.dataset_schedule, self.schedule, self.precision = dataset_schedule, schedule, precision
        self.sample, self.observers = sample, observers
        self.device = precision.device
        self.micro_batch = choose_micro_batch(config.micro_batch_size, precision, method.image_size)
        self.layout = choose_layout(config.channels_last, precision.device)
        self.captures = False
        self.stop_request = StopRequest()
        self.networks_of = {phase.name: phase.networks for phase in method.phases}
        self.intervals = {
            phase.name: config.n_critic if phase.interval == "n_critic" else phase.interval for phase in method.phases
        }
        for network in method.networks.values():
            network.to(memory_format=self.layout)
        norm_over_ranks(method.networks.values())
        for network in method.networks.values():
            ranks.share_from_first(network.state_dict().values())
        self.optimizers = phase_optimizers(method, config)
        averaged = method.averaged if config.ema else None
        self.average = MovingAverage(method.networks[averaged], config.ema) if averaged else None
        self.step = 0
        self._schedule_rates()
        self.updates = dict.fromkeys(self.loaders, 0)
        self.pending: dict[str, dict[str, Any]] = {}
        self.finite_steps = FiniteSteps(config, method.networks, self.run, self.precision)

    def _schedule_rates(self) -> None:
        """Sets the learning rates to those of the next step; they depend on the step alone."""
        own = self.own_optimizers().values()
        self.rate_schedules = [optimizer.schedule(self.schedule.factor, self.step) for optimizer in own]

    def own_optimizers(self) -> dict[str, PhaseOptimizer]:
        """Returns each optimiser once, by the phase that it belongs to."""
        return {name: optimizer for name, optimizer in self.optimizers.items() if optimizer.phase.name == name}

    @property
    def cycle_steps(self) -> int:
        """The number of steps after which the pattern of due phases repeats, if datasets alternate."""
        longest = math.lcm(self.config.n_critic, *self.intervals.values())
        every_step = max(self.intervals.values()) == 1
        kinds = 1 if every_step else max(loader.kinds for loader in self.loaders.values())
        return longest * kinds * len(self.loaders)

    def train(self, last: int) -> None:
        """Trains up to and including step `last`, or stops earlier, with a checkpoint, if `stop_request` says so."""
        if self.run:
            self.run.cut_metrics(self._logged_until())
        for observer in self.observers:
            observer.start(self.step, last)
        self.throughput = ThroughputMeter(self.step, self.config.batch_size, self.device)
        ends = self.step >= last
        while not ends:
            self.step += 1
            self.update(self.load())
            ends = self.stopping() or self.step == last
            if self.step % self.config.log_every == 0:
                self.log()
            if ends:
                self.log_unfinished()
            if self.step % self.config.sample_every == 0 or self.step == last:
                with self.throughput.paused():
                    self.draw_sample()
            if self.step % self.config.save_every == 0 or ends:
                with self.throughput.paused():
                    self.save()
            for observer in self.observers:
                observer.advance(self.step)
        if self.run:
            self.run.checkpoints.wait()

    def stopping(self) -> bool:
        """Returns whether to stop after this step: all ranks stop if one is asked to."""
        stops = ranks.agree("the end of a step", stop=self.stop_request.number is not None)
        if stops and self.stop_request.number is None:
            self.stop_request.number = signal.SIGTERM
        return stops

    def _logged_until(self) -> int:
        """Returns the last step of a complete row; the metrics of later steps are still pending."""
        first_pending = min((int(values["step"]) for values in self.pending.values()), default=self.step + 1)
        return first_pending - 1

    def load(self) -> Batch:
        """Returns the step's batch on the device; each image is flipped with probability `flip`."""
        dataset = self.dataset_schedule.next(self.updates)
        loader, number = self.loaders[dataset], self.updates[dataset]
        places = torch.from_numpy(loader.places(number))
        read = (*loader.batch(number), loader.all_labels(number), places)
        images, labels, everyones, places = (copy_to(self.device, tensor) for tensor in read)
        self.updates[dataset] += 1
        torch.manual_seed(_step_seed(self.config.seed, self.step))
        flip = torch.rand(len(everyones), 1, 1, 1, device=self.device)[places] < self.config.flip
        scaled = scale_pixels(images)
        progress = (self.step - 1) / self.schedule.steps
        flipped = torch.where(flip, scaled.flip(3), scaled).to(memory_format=self.layout)
        kind = loader.kind(number)
        return Batch(flipped, labels, dataset, kind, progress, self.micro_batch, everyones, places)

    def update(self, batch: Batch) -> None:
        """Updates the networks of every phase that is due, and keeps the losses on the device."""
        if self.captures:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        values = self.pending.setdefault(batch.dataset, {})
        unfinished: dict[str, dict[str, Tensor]] = {}
        updated: set[str] = set()
        for phase, losses in self._losses(batch, self._due(batch.dataset)):
            optimizer = self.optimizers[phase]
            optimizer.differentiate(losses)
            terms = unfinished.setdefault(phase, {})
            for name, term in losses.terms.items():  # the next replay of a graph overwrites what this one returned
                own = term.detach().clone() if self.captures else term.detach()
                terms[name] = terms[name] + own if name in terms else own
            if losses.last:
                del unfinished[phase]
                ranks.agree(f"phase {phase} with the losses {', '.join(terms)}")
                ranks.average_gradients(optimizer.parameters)
                means = dict(zip(terms, ranks.average(list(terms.values())), strict=True))
                values.update({f"{phase}/{name}": mean for name, mean in means.items()})
                if self.finite_steps.take(optimizer, phase, batch.dataset, self.step, means):
                    updated.update(self.networks_of[phase])
        if unfinished:
            raise RuntimeError(f"The method '{self.method.name}' yielded no last losses of: {', '.join(unfinished)}.")
        values.update(step=self.step, lr=self.schedule.at(self.step), **self.finite_steps.counts(batch.dataset))
        for schedule in self.rate_schedules:
            schedule.step()
        if self.average and self.method.averaged in updated:
            self.average.update()

    def _due(self, dataset: str) -> set[str]:
        """Returns the phases that are due at the dataset's latest batch, counting batches of its kind.

        One count over all kinds would starve some: with five kinds and an interval of five, the phase would be due for a
        single kind only.
        """
        count = self.loaders[dataset].occurrence(self.updates[dataset] - 1)
        return {phase for phase, interval in self.intervals.items() if count % interval == 0}

    def _losses(self, batch: Batch, due: set[str]) -> Iterator[tuple[str, Losses]]:
        """Runs the method in the precision's context, and leaves that context between two losses."""
        losses = self.method.losses(batch, due)
        while True:
            with self.precision.autocast():
                item = next(losses, None)
            if item is None:
                return
            yield item

    def log(self) -> None:
        """Writes a row of metrics for every dataset of the steps since the last call."""
        rate = round(self.throughput.read(self.step), 1)
        for dataset, values in self.pending.items():
            row = {"step": values["step"], "dataset": dataset, **_numbers(values), "images_per_second": rate}
            if self.run:
                self.run.append_metrics(row)
            metrics = {name: v for name, v in row.items() if name not in {"step", "dataset"} and v is not None}
            for observer in self.observers:
                observer.log(row["step"], dataset, metrics)
        self.pending = {}

    def log_unfinished(self) -> None:
        """Writes the rows of steps that a run which continues logs again, together with later steps.

        They are written before the checkpoint: a run killed in between takes the steps again.
        """
        pending = self.pending
        self.log()
        self.pending = pending

    def draw_sample(self) -> None:
        """Writes a sheet of fixed held-out images in every domain, without changing the networks."""
        if self.run is None:
            return
        networks = self.method.networks.values()
        with self._averaged(), evaluating(*networks), self.precision.autocast(), self._uncompiled():
            sheet: Image.Image = self.sample.draw(self.method)
        self.run.save_sample(self.step, sheet)
        for observer in self.observers:
            observer.log_image(self.step, "samples", sheet)

    def save(self) -> None:
        """Writes a checkpoint in the background; `run.checkpoints.wait` waits for it."""
        if self.run is None:
            return
        tensors: dict[str, dict[str, Tensor]] = {
            name: dict(network.state_dict()) for name, network in self.method.networks.items()
        }
        tensors["optimizers"] = {
            f"{phase}.{name}": value
            for phase, optimizer in self.own_optimizers().items()
            for name, value in optimizer.state().items()
        }
        if self.average:
            tensors["ema"] = self.average.weights
        pending = {dataset: _numbers(values) for dataset, values in self.pending.items()}
        state = {"step": self.step, "updates": self.updates, "pending": pending, **self.finite_steps.state()}
        self.run.checkpoints.save(self.step, tensors, state, self.config.keep_checkpoints, self.config.keep_every)

    def resume(self) -> None:
        """Continues from the newest checkpoint, which rank 0 reads; RunError if there is none, or if it cannot be read."""
        checkpoint = ranks.from_first(self._newest)
        for name, network in self.method.networks.items():
            network.load_state_dict(checkpoint.tensors[name])
        for phase, optimizer in self.own_optimizers().items():
            flat = checkpoint.tensors["optimizers"]
            prefix = f"{phase}."
            optimizer.load_state({k.removeprefix(prefix): v for k, v in flat.items() if k.startswith(prefix)})
        if self.average:
            for name, value in checkpoint.tensors["ema"].items():
                self.average.weights[name].copy_(value)
        self.step = checkpoint.state["step"]
        self._schedule_rates()
        self.updates.update(checkpoint.state["updates"])
        self.pending = checkpoint.state["pending"]
        self.finite_steps.load_state(checkpoint.state)

    def _newest(self) -> Checkpoint:
        if self.run is None:
            raise RuntimeError("Only rank 0 reads checkpoints.")
        checkpoint = self.run.checkpoints.load()
        files = [*self.method.networks, "optimizers", *(["ema"] if self.average else [])]
        missing = next((name for name in files if name not in checkpoint.tensors), None)
        if missing:
            raise RunError(f"The newest checkpoint of '{self.run.path}' has no {missing}.safetensors. Remove it.")
        return checkpoint

    def _uncompiled(self) -> AbstractContextManager[object]:
        """Draws a sheet without captured graphs: its batches have another size, and all its columns stay in memory."""
        return torch.compiler.set_stance("force_eager") if self.captures else nullcontext()

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Gives the averaged network its averaged weights within the block, if there is an average."""
        if self.average is None:
            yield
            return
        own = _copied(self.average.network.state_dict())
        self.average.network.load_state_dict(self.average.weights)
        try:
            yield
        finally:
            self.average.network.load_state_dict(own)


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tensors.items()}


def _step_seed(seed: int, step: int) -> int:
    """Returns a seed that depends on both numbers, so that neighbouring steps and seeds share nothing."""
    return int.from_bytes(hashlib.sha256(f"{seed} {step}".encode()).digest()[:8]) >> 1


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Copies losses from the device, which waits for it. A number that is not finite becomes None, as JSON has none such."""
    numbers = {name: value.item() if isinstance(value, torch.Tensor) else value for name, value in values.items()}
    return {name: value if value is not None and math.isfinite(value) else None for name, value in numbers.items()}
