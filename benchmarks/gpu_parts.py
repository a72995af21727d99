"""Three sections of `gpu.py`: the kernels that a cycle's time goes to, each network's share of the limits, and single layers."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from gpu_page import FASTEST
from gpu_setting import N_CRITIC, Item, Setting, Settings
from layers import layer_rows, penalty_row

from stargan_fw.training.trainer import Trainer
from stargan_fw_bench.cycles import cycle
from stargan_fw_bench.measurement import costliest_parts, operations_and_bytes, record_cycle
from stargan_fw_plugins.losses.wgan_gp import gradient_penalty


def kernels(bench: Setting) -> Iterator[Item]:
    """The costliest kernels of a cycle."""
    batch, size = bench.usual
    for way, settings in (("", {}), (FASTEST, bench.fastest_way())):
        if settings is not None:
            yield f"batch {batch}, {size} px{way}", partial(list_kernels, bench, settings)


def list_kernels(bench: Setting, settings: Settings) -> list[dict[str, Any]]:
    """Returns a row per kernel, and one that tells how much of the cycle the device was busy."""
    trainer = bench.trainer(*bench.usual, settings)
    parts = costliest_parts(record_cycle(trainer), bench.device, 10**6)
    rate = bench.turn(partial(cycle, trainer))
    by_the_clock, busy = N_CRITIC * bench.usual[0] / rate, sum(part.seconds for part in parts)
    rows = [
        {"kernel": part.name[:120], "share": part.share, "ms": 1e3 * part.seconds, "calls": part.calls}
        for part in parts[:5]
    ]
    calls = sum(part.calls for part in parts)
    rows.append({"kernel": "(all)", "share": 1.0, "ms": 1e3 * busy, "calls": calls})
    return [*rows, {"kernel": "(the cycle by the clock, unprofiled)", "ms": 1e3 * by_the_clock}]


def networks(bench: Setting) -> Iterator[Item]:
    """Each network's share of the limits, without a compiler."""
    for batch, size in [shape for shape in bench.shapes if shape[1] == bench.usual[1]][:2]:
        yield f"batch {batch}, {size} px", partial(measure_networks, bench, batch, size)


def measure_networks(bench: Setting, batch: int, size: int) -> list[dict[str, Any]]:
    """Returns a row for each piece of work."""
    trainer, rows = bench.trainer(batch, size, {"compile": "off"}), []
    for name, work in network_work(trainer).items():
        count, moved = operations_and_bytes(work)
        seconds = 1 / bench.turn(lambda work=work: work() or 1, 0.3)
        rows.append(
            {
                "work": name,
                "ms": 1e3 * seconds,
                "GFLOP": count / 1e9,
                "share of bf16": count / seconds / bench.limit("bf16"),
                "share of the bandwidth": moved / seconds / bench.limit("copies"),
            }
        )
    return rows


def network_work(trainer: Trainer) -> dict[str, Callable[[], None]]:
    """Returns what a step of StarGAN is made of."""
    batch, method = trainer.load(), trainer.method
    generator, critic = method.networks["generator"], method.networks["discriminator"]
    joint = method.space.join(batch.dataset, batch.labels)

    def generate(*, backward: bool) -> None:
        with torch.set_grad_enabled(backward), trainer.precision.autocast():
            fake = generator(batch.images, joint)
        if backward:
            fake.float().mean().backward()

    def criticise(*, backward: bool) -> None:
        with torch.set_grad_enabled(backward), trainer.precision.autocast():
            scores, logits = critic(batch.images)
        if backward:
            (scores.float().mean() + logits.float().mean()).backward()

    def penalise() -> None:
        gradient_penalty(critic.score_images, batch.images, batch.images.flip(0)).backward()

    return {
        "generator, forward": partial(generate, backward=False),
        "generator, forward and backward": partial(generate, backward=True),
        "discriminator, forward": partial(criticise, backward=False),
        "discriminator, forward and backward": partial(criticise, backward=True),
        "gradient penalty, in fp32, with its double backward": penalise,
    }


def layers(bench: Setting) -> Iterator[Item]:
    """Layers for tensor cores, and the compiled penalty, against what they replace."""
    batch, size = bench.usual
    options = argparse.Namespace(only="", batch=batch, size=size, rounds=1 if bench.small else 5, eager=True)
    yield f"layers, batch {batch}, {size} px, ms", lambda: list(layer_rows(options, bench.device))
    if not bench.small:  # it is compiled
        yield f"penalty, batch {batch}, {size} px, ms", lambda: penalty_row(options, bench.device)
