"""A training step against the reference's formulation of it: images a second and peak memory, and what labels cost.

    python benchmarks/training_step.py [--size 128] [--precision auto] [--rounds 5] [--labels 5,8] [--compile off]
    python benchmarks/training_step.py --cost-of 192,8        # of 200 labels against 13, both ours

One round of each, taking turns, is `n_critic` updates of the critic and one of the generator on batches of 16; the
medians of the rounds are compared. Peak memory is taken in a process of its own for each (Linux). Ours is the real
trainer with its loader, on noise; the reference's is given its batches for nothing.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from reference_step import ReferenceStep

from stargan_fw.components import complete
from stargan_fw.config import Layer
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.speed.limits import wait_for
from stargan_fw.speed.memory import peak_bytes
from stargan_fw.speed.rehearsal import STEPS, cycle, rehearse
from stargan_fw.training.machine import choose_device, compile_where_it_pays
from stargan_fw.training.request import data_request

BATCH, CRITIC = 16, 5


def ours(options: argparse.Namespace, folder: Path) -> Callable[[], int]:
    """Returns a cycle of the project's trainer, on as many datasets as there are numbers of labels."""
    settings = [f"data.image_size={options.size}", f"training.precision={options.precision}"]
    config, plugins = data_request([Layer.from_settings(settings)], datasets=None, preset=None)
    device = choose_device(options.device)
    trainer = rehearse(complete(config, plugins), plugins, options.labels, device, folder)
    networks = [trainer.method.networks[name] for name in trainer.method.compilable]
    compile_where_it_pays(networks, options.compile, device, STEPS)
    # One dataset's turn after the other would make a round twice as long; which one it is costs the same.
    trainer.loaders = dict(list(trainer.loaders.items())[:1])
    trainer.turns = type(trainer.turns)({next(iter(trainer.loaders)): 1})
    trainer.updates = dict.fromkeys(trainer.loaders, 0)
    return lambda: cycle(trainer)


def reference(options: argparse.Namespace) -> Callable[[], int]:
    """Returns the same cycle in the reference's formulation."""
    device = choose_device(options.device)
    step = ReferenceStep(options.size, tuple(options.labels), device=str(device))
    images = torch.rand(BATCH, 3, options.size, options.size, device=device) * 2 - 1
    labels = torch.randint(0, 2, (BATCH, options.labels[0]), device=device).float()

    def work() -> int:
        step.cycle(images, labels, CRITIC)
        return CRITIC * BATCH

    return work


def built(name: str, options: argparse.Namespace, folder: Path) -> Callable[[], int]:
    """Returns the cycle of that name."""
    return ours(options, folder) if name == "ours" else reference(options)


def compare(work: dict[str, Callable[[], int]], options: argparse.Namespace) -> float:
    """Prints images a second of both, and returns the first's over the second's."""
    device = choose_device(options.device)
    rates: dict[str, list[float]] = {name: [] for name in work}
    for number in range(options.rounds + 1):
        for name, run in work.items():
            wait_for(device)
            start = time.perf_counter()
            images = run()
            wait_for(device)
            rates[name].append(images / (time.perf_counter() - start))
        latest = ", ".join(f"{name} {values[-1]:.2f}/s" for name, values in rates.items())
        print(f"round {number}{' (not counted)' if number == 0 else ''}: {latest}", flush=True)
    first, second = (statistics.median(values[1:]) for values in rates.values())
    medians = ", ".join(f"{name} {statistics.median(values[1:]):.2f} images/s" for name, values in rates.items())
    print(f"{options.size} px, batches of {BATCH}, medians: {medians}", flush=True)
    return first / second


def peak(name: str) -> int:
    """Returns the most bytes that a cycle adds to a process that has loaded everything but the networks."""
    result = subprocess.run([sys.executable, *sys.argv, "--peak-of", name], check=True, capture_output=True, text=True)
    return int(json.loads(result.stdout.splitlines()[-1]))


def measure_peak(options: argparse.Namespace, folder: Path) -> None:
    """Prints, for `peak`, what a cycle takes in this process."""
    device = choose_device(options.device)
    PluginManager.discover(()).index("method")
    before = peak_bytes(lambda: None, device) or 0
    run = built(options.peak_of, options, folder)
    run()
    print((peak_bytes(run, device) or 0) - before)


def numbers(text: str) -> list[int]:
    """Reads "5,8"."""
    return [int(part) for part in text.split(",")]


def compare_labels(options: argparse.Namespace, folder: Path) -> None:
    """Prints what a step costs with `--cost-of` labels, in steps with `--labels`."""
    work = {}
    for name, labels in (("few", options.labels), ("many", options.cost_of)):
        (folder / name).mkdir()
        chosen = argparse.Namespace(**{**vars(options), "labels": labels})
        work[f"{sum(labels)} labels"] = ours(chosen, folder / name)
    print(f"cost of {sum(options.cost_of)} labels: {compare(work, options):.3f} of {sum(options.labels)}")


def main() -> None:
    """Prints ratios."""
    parser = argparse.ArgumentParser(description="A training step against the reference's.")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--labels", type=numbers, default=[5, 8])
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--cost-of", type=numbers, help="labels whose cost to compare with those of --labels")
    parser.add_argument("--compile", default="auto", choices=["auto", "on", "off"])
    parser.add_argument("--device")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.peak_of:
            measure_peak(options, Path(name))
            return
        if options.cost_of:
            compare_labels(options, Path(name))
            return
        work = {of: built(of, options, Path(name)) for of in ("ours", "reference")}
        print(f"ratio {compare(work, options):.2f}", flush=True)
        if not options.no_memory:
            mine, theirs = peak("ours"), peak("reference")
            print(f"peak memory: ours {mine / 2**20:,.0f} MB, the reference's {theirs / 2**20:,.0f} MB")
            print(f"ratio {mine / theirs:.2f}")


if __name__ == "__main__":
    main()
