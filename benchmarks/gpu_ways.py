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
from stargan_fw_bench.cycles import cycle
from stargan_fw_bench.measurement import peak_bytes
from stargan_fw_bench.tuning import PLAIN, gradient_errors, ways, why_not_right

STEPS = 20


def list_ways(device: torch.device, *, small: bool) -> dict[str, Settings]:
    """Returns the settings of each way by name: the plain one, what "auto" takes, and what `training.tune` tries.

    What is compiled comes last, with most else switched on first: it takes longer than all the rest, and the time may be over.
    """
    found: dict[str, Settings] = {"plain": PLAIN, "by default": {}}
    auto = dict.fromkeys(PLAIN, "auto")
    tried = [*ways(auto, device), *ways({**auto, "precision": "fp32"}, device)]
    for settings in sorted(tried, key=lambda way: (way["compile"] != "off", way["precision"], -_switched_on(way))):
        if small and settings["compile"] != "off":
            continue  # compiling takes longer than all the rest
        on = [f"{name}={value}" for name, value in settings.items() if value not in {"auto", "off"}]
        found[" ".join(on)] = settings
    return found


def _switched_on(way: Settings) -> int:
    return sum(value in {"on", "all"} for value in way.values())


@dataclass
class Course:
    """What some steps of a training did.

    Attributes:
        losses: of every step, by name.
        gradients: each phase's gradients at the initial weights by parameter, on the processor; 0 if there is none.
    """

    losses: list[dict[str, float]]
    gradients: dict[str, list[Tensor]]


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


def take_gradients(trainer: Trainer) -> dict[str, list[Tensor]]:
    """Returns each phase's gradient at the initial weights, on the first batch, and changes nothing."""
    gradients: dict[str, list[Tensor]] = {}
    if trainer.captures:
        torch.compiler.cudagraph_mark_step_begin()
    for phase, losses in trainer._losses(trainer.load(), set(trainer.optimizers)):  # noqa: SLF001 - as a step does
        optimizer = trainer.optimizers[phase]
        optimizer.differentiate(losses)
        if losses.last:
            gradients[phase] = [(torch.zeros_like(p) if p.grad is None else p.grad).cpu() for p in optimizer.parameters]
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


def compare_way(bench: Setting, settings: Settings) -> dict[str, Any]:
    """Returns how far a way is from the plain one, whether that is near enough, its speed and its memory."""
    compiled = compiled_graphs()
    trainer = bench.trainer(*bench.usual, settings)
    if settings.get("graphs") == "on" and not trainer.captures:
        raise LeftOut("the kernels could not be captured")
    with without_tf32() if settings is PLAIN else nullcontext():
        course, plain = take_course(trainer, _steps(bench)), plain_course(bench)
        peak = peak_bytes(partial(cycle, trainer), bench.device)
        rates = sorted(bench.turn(partial(cycle, trainer)) for _ in range(1 if bench.small else 3))
    errors = (_losses_apart(course, plain, 1), *gradient_errors(course.gradients, plain.gradients))
    # On CUDA torch's convolutions in fp32 are in TF32, which rounds less than bf16 and more than fp32.
    rounding = "bf16" if bench.device.type == "cuda" else str(trainer.precision)
    last, why = _losses_apart(course, plain, STEPS), why_not_right(rounding, errors)
    return {
        "precision": str(trainer.precision),
        "losses off by": errors[0],
        "gradients off by": errors[1],
        "and noisier by": errors[2],
        f"losses after {len(course.losses)} steps off by": last,
        "right": not why and math.isfinite(last),
        "images/s": rates[len(rates) // 2],
        "peak, MB": peak and peak / 2**20,
        "graphs compiled": compiled_graphs() - compiled,
        "settings": " ".join(f"{name}={value}" for name, value in settings.items()),
    }


def compiled_graphs() -> int:
    """Returns how many graphs the compiler has made in this process: a network that it fails on runs uncompiled."""
    return int(torch._dynamo.utils.counters["stats"]["unique_graphs"])  # noqa: SLF001 - torch has no public count


def _steps(bench: Setting) -> int:
    return 5 if bench.small else STEPS


def _losses_apart(course: Course, plain: Course, steps: int) -> float:
    """Returns the largest difference of losses within the first steps, over 1 + the plain loss; NaN if one is missing."""
    pairs = zip(course.losses[:steps], plain.losses[:steps], strict=True)
    apart = [
        abs(own.get(name, math.nan) - value) / (1 + abs(value)) for own, other in pairs for name, value in other.items()
    ]
    return math.nan if any(map(math.isnan, apart)) else max(apart)
