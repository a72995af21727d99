"""Finds the fastest way to compute a training's steps on the machine at hand that computes the same as the plain way."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from stargan_fw import Tuner, Tuning, hookimpl
from stargan_fw.compute.machine import Precision, automatic, breaks_compiled, has_bf16, wait_for
from stargan_fw.errors import TrainingError, one_line
from stargan_fw.training.failed_steps import is_lack_of_memory
from stargan_fw_bench.cycles import cycle, free_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor

    from stargan_fw.training.trainer import Trainer

PLAIN = {"precision": "fp32", "accelerate": "off", "channels_last": "off", "compile": "off", "graphs": "off"}
_PENALTY = {"compile": "all"}  # the critic's penalty, too
# By type of device, what to try beside `automatic`. On processors nothing is tried in fp32: compiled networks and channels last
# were slower there than the accelerators' layers.
_LAYERS, _LAYOUT, _COMPILED, _GRAPHS = ({name: "on"} for name in ("accelerate", "channels_last", "compile", "graphs"))
WAYS: Mapping[str, Sequence[Mapping[str, str]]] = {
    "cpu": [{"precision": "bf16", **more} for more in ({}, _LAYOUT, _COMPILED, _COMPILED | _LAYOUT)],
    "cuda": [
        *(_LAYERS, _LAYOUT, _LAYERS | _LAYOUT),
        *(_COMPILED, _COMPILED | _LAYERS, _COMPILED | _LAYOUT, _COMPILED | _LAYERS | _LAYOUT),
        *(_COMPILED | _PENALTY, _COMPILED | _LAYERS | _LAYOUT | _PENALTY),
        *(_COMPILED | _GRAPHS, _COMPILED | _LAYERS | _LAYOUT | _GRAPHS),
    ],
}
ELSEWHERE: Sequence[Mapping[str, str]] = [_LAYERS]

# How far a way may be from the plain one: in losses, relative to them or to 1; in the share of a gradient that is missing or too
# much; and in the rest of a gradient, relative to its norm, which rounding changes most: bf16 has 8 bits, and the reconstruction
# loss has gradients of 1 and -1, whose sign a difference near 0 decides. Measured on a processor with AVX-512, at the first step of
# four small networks: in fp32 with other layers up to 1e-7, 2e-5, 0.002; in bf16 up to 0.001, 0.11, 0.46.
TOLERANCES = {"fp32": (1e-4, 1e-3, 0.02), "bf16": (0.02, 0.2, 0.7)}
GAIN = 1.03  # by how much faster than `automatic` a way must be to be taken: rates vary by about as much
UNTIL_REPLAYED = 2  # cycles more than the first one: torch runs kernels, records them, and then replays them
CYCLES, SECONDS, HOPELESS = 3, 2.0, 1.5  # timed at least, and a way that takes so many times as long is timed once
OF_TORCH = RuntimeError, AssertionError  # errors of its compiler and graphs
# No weight moves, and a value that is not finite counts as an error of the way.
OF_A_TRIAL = {"learning_rate": 0.0, "on_non_finite": "skip", "max_skipped": 2**31}


@dataclass(frozen=True, slots=True)
class Trial:
    """A way to compute steps, and what a few of its steps gave.

    Attributes:
        settings: the keys of `[training]` that make the way.
        images_per_second: of training; None if the way does not run.
        loss_error: the largest distance of a loss from the plain way's, relative to the plain loss or to 1.
        gradient_error: the largest share of an optimiser's first plain gradient that is missing or too much; infinite if a
            parameter's gradient is lost.
        gradient_noise: the largest distance of such a gradient from the plain one, relative to its norm.
        why_not: why the way cannot be taken; "" if it can.
    """

    settings: dict[str, str]
    images_per_second: float | None = None
    loss_error: float | None = None
    gradient_error: float | None = None
    gradient_noise: float | None = None
    why_not: str = ""

    def shown(self, number: int, chosen: Mapping[str, str]) -> tuple[str, ...]:
        """Returns a row for people."""
        on = [f"{name}={value}" for name, value in self.settings.items() if value not in {"off", "auto"}]
        on = [*("plain:", "auto:")[number : number + 1], *on]
        numbers = (self.images_per_second, self.loss_error, self.gradient_error, self.gradient_noise)
        outcome = self.why_not or ("chosen" if self.settings == chosen else "")
        return (" ".join(on), *("" if number is None else f"{number:.3g}" for number in numbers), outcome)


class WayTuner(Tuner):
    """Tries the ways that are open on a device, each with networks of its own from the same weights on the same batches.

    The learning rate of the trials is 0, so that all losses and gradients are of the same weights. Between two trials all that the
    compiler has made in this process is dropped: torch stops compiling a function of which it has eight versions.
    """

    name = "ways"

    def tune(
        self,
        make: Callable[[Mapping[str, Any]], AbstractContextManager[Trainer]],
        training: Mapping[str, Any],
        device: torch.device,
    ) -> Tuning:
        plain = _try(make, PLAIN, None, float("inf"))
        trials = [plain.trial]
        fastest: float | None = None
        for settings in ways(training, device):
            free_memory(device)
            trial = _try(make, settings, plain, fastest).trial
            trials.append(trial)
            if not trial.why_not and trial.images_per_second:
                fastest = max(fastest or 0.0, trial.images_per_second)
        free_memory(device)
        chosen = choose(trials[1:], None if plain.trial.why_not else PLAIN | _fixed(training))
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        machine = {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__}
        record = {**machine, "chosen": chosen, "trials": [asdict(trial) for trial in trials]}
        heading = ("tried", "images/s", "losses off by", "gradients off by", "and noisier by", "")
        return Tuning(chosen, [heading, *(trial.shown(number, chosen) for number, trial in enumerate(trials))], record)


def ways(training: Mapping[str, Any], device: torch.device) -> Iterator[dict[str, str]]:
    """Yields the ways to try, as values of `[training]`, what `automatic` says first."""
    fixed = _fixed(training)
    # "auto" stays where it means neither "on" nor "off", but what suits the device.
    start = {**PLAIN, **automatic(device), "accelerate": "auto", "channels_last": "auto"}
    found = []
    for changes in ({}, *WAYS.get(device.type, ELSEWHERE)):
        settings = {**start, **changes, **fixed}
        meant = changes.get("precision", settings["precision"]) == settings["precision"]
        possible = has_bf16(device) or settings["precision"] == "fp32" or "precision" in fixed
        low = Precision(device, torch.bfloat16) if settings["precision"] == "bf16" else None
        works = not low or settings["compile"] == "off" or not breaks_compiled(low)
        if meant and possible and works and settings not in found:
            found.append(settings)
            yield settings


def _fixed(training: Mapping[str, Any]) -> dict[str, str]:
    """Returns the settings that are not "auto", and so stay."""
    return {name: training[name] for name in PLAIN if training[name] != "auto"}


def choose(trials: Sequence[Trial], plain: dict[str, str] | None = None) -> dict[str, str]:
    """Returns the fastest right way, or the first, which is `automatic`, unless another is clearly faster.

    If none is right, that is the plain way, or `automatic` if the plain way does not run either and `plain` is None.
    """
    first = trials[0]
    right = [trial for trial in trials if not trial.why_not]
    if not right:
        return plain or first.settings
    best = max(right, key=lambda trial: trial.images_per_second or 0.0)
    clearly = first.why_not or (best.images_per_second or 0.0) > GAIN * (first.images_per_second or 0.0)
    return best.settings if clearly else first.settings


@dataclass(frozen=True, slots=True)
class _Measured:
    trial: Trial
    losses: Mapping[str, float]
    gradients: Mapping[str, Sequence[Tensor]]


def _try(
    make: Callable[[Mapping[str, Any]], AbstractContextManager[Trainer]],
    settings: dict[str, str],
    plain: _Measured | None,
    fastest: float | None,
) -> _Measured:
    """Takes some steps in a way, and compares them with the plain way's, which is None for the plain way itself."""
    try:
        with make({**settings, **OF_A_TRIAL}) as trainer:
            losses, gradients = _first_steps(trainer)
            rate = _images_per_second(trainer, fastest)
    except (*OF_TORCH, TrainingError, SystemExit) as error:
        lacks = isinstance(error, RuntimeError) and is_lack_of_memory(error)
        why_not = "too little memory" if lacks else one_line(str(error).strip() or type(error).__name__)
        return _Measured(Trial(settings, why_not=why_not), {}, {})
    if plain is None:
        return _Measured(Trial(settings, rate, 0.0, 0.0, 0.0), losses, gradients)
    if plain.trial.why_not:
        return _Measured(Trial(settings, rate, why_not="the plain way, to compare with, does not run"), {}, {})
    errors = (_loss_error(losses, plain), *gradient_errors(gradients, plain.gradients))
    return _Measured(Trial(settings, rate, *errors, why_not=why_not_right(settings["precision"], errors)), {}, {})


def why_not_right(precision: str, errors: tuple[float, float, float]) -> str:
    """Returns which of the errors of a loss and of gradients is larger than `TOLERANCES` allow; "" if none is."""
    names = ("losses differ by", "gradients are off by", "gradients are noisier by")
    for name, error, most in zip(names, errors, TOLERANCES[precision], strict=True):
        if not error <= most:  # NaN, too
            return f"{name} {error:.2g}, more than {most}"
    return ""


def _first_steps(trainer: Trainer) -> tuple[dict[str, float], dict[str, list[Tensor]]]:
    """Trains for a cycle of the method's phases, and returns its losses and the first gradients of each optimiser."""
    gradients: dict[str, list[Tensor]] = {}

    def note(phase: str) -> Callable[..., None]:
        def keep(optimizer: torch.optim.Optimizer, *_: Any) -> None:
            if phase not in gradients:
                parameters = (p for group in optimizer.param_groups for p in group["params"])
                gradients[phase] = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]

        return keep

    handles = [own.optimizer.register_step_pre_hook(note(phase)) for phase, own in trainer.own_optimizers().items()]
    cycle(trainer)
    for handle in handles:
        handle.remove()
    losses = {
        f"{dataset} {name}": float(value)
        for dataset, values in trainer.pending.items()
        for name, value in values.items()
        if "/" in name
    }
    return losses, gradients


def _images_per_second(trainer: Trainer, fastest: float | None) -> float:
    """Returns the median over some cycles; one cycle is enough if it is far slower than the fastest way so far."""
    for _ in range(UNTIL_REPLAYED if trainer.captures else 0):
        cycle(trainer)
    seconds = list[float]()
    while len(seconds) < CYCLES or sum(seconds) < SECONDS:
        wait_for(trainer.device)
        start = time.perf_counter()
        images = cycle(trainer)
        wait_for(trainer.device)
        seconds.append(time.perf_counter() - start)
        if fastest and images / seconds[0] * HOPELESS < fastest:
            break
    return images / statistics.median(seconds)


def _loss_error(losses: Mapping[str, float], plain: _Measured) -> float:
    return _largest([abs(losses[name] - value) / max(1.0, abs(value)) for name, value in plain.losses.items()])


def _largest(errors: Sequence[float]) -> float:
    """Returns the largest error, or NaN if one is: Python's `max` may pass over it."""
    return math.nan if any(map(math.isnan, errors)) else max(errors)


def gradient_errors(
    gradients: Mapping[str, Sequence[Tensor]], plain: Mapping[str, Sequence[Tensor]]
) -> tuple[float, float]:
    """Returns `Trial.gradient_error` and `Trial.gradient_noise` of gradients by optimiser and parameter."""
    shares, noises = [], []
    for phase, of_plain in plain.items():
        if phase not in gradients:  # nothing finite
            return math.inf, math.inf
        pairs = [(own.cpu().double(), one.cpu().double()) for own, one in zip(gradients[phase], of_plain, strict=True)]
        if any(bool(one.any()) and not bool(own.any()) for own, one in pairs):
            return math.inf, math.inf
        square = sum(float(one.square().sum()) for _, one in pairs) or 1.0
        shares.append(abs(1 - sum(float((own * one).sum()) for own, one in pairs) / square))
        noises.append((sum(float((own - one).square().sum()) for own, one in pairs) / square) ** 0.5)
    return _largest(shares), _largest(noises)


@hookimpl
def register_tuners(register: Callable[[type[Tuner]], None]) -> None:
    """Registers the tuner of `training.tune`."""
    register(WayTuner)
