"""Every way to train that a device has, compared with the plain one: losses, gradients, speed and memory."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from gpu_setting import LeftOut, Setting, Settings
from torch import Tensor

from stargan_fw.training.trainer import Trainer
from stargan_fw_bench.measurement import peak_bytes
from stargan_fw_bench.speed_trial import cycle

STEPS = 20
PLAIN = {"precision": "fp32", "accelerate": "off", "channels_last": "off", "compile": "off", "graphs": "off"}
COMPILED = {"": {}, "compiled": {"compile": "on"}, "compiled with graphs": {"compile": "on", "graphs": "on"}}
# How far a way may be from the plain one: so many times as far as torch's own layers, eager, in the same precision, and this much
# more. Rounding alone moves the generator's gradient by some percent in bf16; a gradient that is lost moves it by all of it.
TIMES, MORE = 3, 1e-2


def list_ways(device: torch.device, *, small: bool) -> dict[str, Settings]:
    """Returns the settings of each way by name, the most telling first, since compiling takes longer than all the rest.

    The first is the plain one, and the second is what "auto" takes.
    """
    found: dict[str, Settings] = {"plain": PLAIN, "by default": {}}
    for precision, compiled, layers, layout in _combinations(device, small=small):
        own = {**PLAIN, **COMPILED[compiled], "precision": precision, "accelerate": layers, "channels_last": layout}
        parts = [precision, *["own layers"] * (layers == "on"), *["channels last"] * (layout == "on"), compiled]
        found[", ".join(filter(None, parts))] = own
    return found


def _combinations(device: torch.device, *, small: bool) -> Iterator[tuple[str, str, str, str]]:
    """Yields precision, how it is compiled, own layers, and channels last."""
    all_on, neither = ("on", "on"), ("off", "off")
    layers = [all_on, neither] if small else [all_on, neither, ("on", "off"), ("off", "on")]
    compiled = [] if small else [name for name in COMPILED if name and ("graphs" not in name or device.type == "cuda")]
    yield from (("bf16", "", *own) for own in layers)
    yield from (("bf16", name, *all_on) for name in compiled)
    yield from (("fp32", "", *own) for own in layers)
    yield from (("bf16", name, *own) for own in layers[1:] for name in compiled)
    yield from (("fp32", name, *all_on) for name in compiled)


@dataclass
class Course:
    """What some steps of a training did.

    Attributes:
        losses: of every step, by name.
        gradients: each phase's gradient at the initial weights as one vector, on the processor.
    """

    losses: list[dict[str, float]]
    gradients: dict[str, Tensor]


def take_course(trainer: Trainer, steps: int) -> Course:
    """Takes some steps."""
    gradients = take_gradients(trainer)
    losses = []
    for _ in range(steps):
        trainer.step += 1
        trainer.update(trainer.load())
        (values,) = trainer.pending.values()
        losses.append({name: float(value) for name, value in values.items() if isinstance(value, Tensor)})
    return Course(losses, gradients)


def take_gradients(trainer: Trainer) -> dict[str, Tensor]:
    """Returns each phase's gradient at the initial weights, on the first batch, and changes nothing."""
    gradients: dict[str, Tensor] = {}
    if trainer.captures:
        torch.compiler.cudagraph_mark_step_begin()
    for phase, losses in trainer._losses(trainer.load(), set(trainer.optimizers)):  # noqa: SLF001 - as a step does
        optimizer = trainer.optimizers[phase]
        optimizer.differentiate(losses)
        if losses.last:
            own = [parameter.grad.reshape(-1) for parameter in optimizer.parameters if parameter.grad is not None]
            gradients[phase] = torch.cat(own).float().cpu()
            optimizer.discard()
    trainer.updates = dict.fromkeys(trainer.loaders, 0)
    return gradients


@contextmanager
def without_tf32() -> Iterator[None]:
    """Lets convolutions keep all bits of fp32 in the block, which they do not by torch's own default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


_courses: dict[str, Course] = {}


def plain_course(bench: Setting) -> Course:
    """Returns the course of the plain way, which is taken once in a process."""
    if "plain" not in _courses:
        with without_tf32():
            _courses["plain"] = take_course(bench.trainer(*bench.usual, PLAIN), _steps(bench))
    return _courses["plain"]


def eager_course(bench: Setting, precision: str) -> Course:
    """Returns the course of torch's own layers, eager, in a precision; taken once in a process."""
    if precision not in _courses:
        _courses[precision] = take_course(bench.trainer(*bench.usual, {**PLAIN, "precision": precision}), _steps(bench))
    return _courses[precision]


def compare_way(bench: Setting, settings: Settings) -> dict[str, Any]:
    """Returns how far a way is from the plain one, whether that is near enough, its speed and its memory."""
    compiled = compiled_graphs()
    trainer = bench.trainer(*bench.usual, settings)
    if settings.get("graphs") == "on" and not trainer.captures:
        raise LeftOut("the kernels could not be captured")
    with without_tf32() if settings is PLAIN else nullcontext():
        apart = distances(take_course(trainer, _steps(bench)), plain_course(bench))
        peak = peak_bytes(partial(cycle, trainer), bench.device)
        rates = sorted(bench.turn(partial(cycle, trainer)) for _ in range(1 if bench.small else 3))
    allowed = distances(eager_course(bench, str(trainer.precision)), plain_course(bench))
    return {
        "precision": str(trainer.precision),
        **apart,
        "right": all(value <= TIMES * allowed[name] + MORE for name, value in apart.items()),  # NaN is not
        "images/s": rates[len(rates) // 2],
        "peak, MB": peak and peak / 2**20,
        "graphs compiled": compiled_graphs() - compiled,
        "settings": " ".join(f"{name}={value}" for name, value in settings.items()),
    }


def compiled_graphs() -> int:
    """Returns how many graphs the compiler has made in this process: a network that it fails on runs uncompiled."""
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])  # noqa: SLF001 - torch has no public count


def distances(course: Course, plain: Course) -> dict[str, float]:
    """Returns how far gradients and losses are from the plain ones, by name."""
    gradients = {f"gradient of {phase}": _apart(own, plain.gradients[phase]) for phase, own in course.gradients.items()}
    losses = {f"losses after {count} steps": _losses_apart(course, plain, count) for count in (1, len(course.losses))}
    return gradients | losses


def _steps(bench: Setting) -> int:
    return 5 if bench.small else STEPS


def _apart(one: Tensor, other: Tensor) -> float:
    """Returns the norm of the difference over the norm of the other."""
    return float((one - other).norm() / other.norm().clamp(min=1e-12))


def _losses_apart(course: Course, plain: Course, steps: int) -> float:
    """Returns the largest difference of losses within the first steps, over 1 + the plain loss; NaN if one is missing."""
    pairs = zip(course.losses[:steps], plain.losses[:steps], strict=True)
    apart = [
        abs(own.get(name, math.nan) - value) / (1 + abs(value)) for own, other in pairs for name, value in other.items()
    ]
    return math.nan if any(map(math.isnan, apart)) else max(apart)
