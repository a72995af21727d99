"""Compares a training step with the reference's formulation: images per second, peak memory, and the cost of labels.

    python benchmarks/training_step.py [--size 128] [--precision auto] [--rounds 5] [--labels 5,8] [--set KEY=VALUE …]
    python benchmarks/training_step.py --cost-of 192,8                       # 200 labels against 13, both ours
    python benchmarks/training_step.py --against training.precision=fp32     # ours as it is against ours so

A round is `n_critic` updates of the critic and one of the generator on batches of 16. The two sides take turns, and the
medians of the rounds are compared. Each side is a process that waits while the other works, because our command line makes
the C library keep freed memory and the reference does not. Peak memory is measured in two more processes (Linux). Our side
is the real trainer with its loader, on noise; the time to make the reference's batches does not count.
"""

import argparse
import json
import os
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
from stargan_fw.compute.machine import choose_device, wait_for
from stargan_fw.config_layers import Layer
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.process import HUGE_PAGES, keep_freed_memory
from stargan_fw.training.plan import compile_trained
from stargan_fw.training.train_request import data_request
from stargan_fw_bench.cycles import cycle
from stargan_fw_bench.measurement import peak_bytes
from stargan_fw_bench.speed_trial import rehearse, train_on_first

BATCH, CRITIC = 16, 5


def ours(options: argparse.Namespace, folder: Path) -> Callable[[], int]:
    """Returns a cycle of the project's trainer, with one dataset per number in `--labels`."""
    settings = [f"data.image_size={options.size}", f"training.precision={options.precision}", *options.set]
    config, plugins = data_request([Layer.from_settings(settings)], datasets=None, preset=options.preset)
    device = choose_device(options.device)
    trainer = rehearse(complete(config, plugins), plugins, options.labels, device, folder)
    compile_trained(trainer)
    train_on_first(trainer)
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


def build_cycle(options: argparse.Namespace, folder: Path) -> Callable[[], int]:
    """Returns the cycle of this process; ours runs with the memory settings of the command line."""
    if options.only == "reference":
        return reference(options)
    keep_freed_memory()
    return ours(options, folder)


class Contender:
    """A process that runs cycles on request; a process of its own, since memory settings are per process.

    Args:
        name: which cycle it runs, "ours" or "reference".
        arguments: additional arguments of this program.
    """

    def __init__(self, name: str, *arguments: str) -> None:
        command = [sys.executable, *sys.argv, "--only", name, *arguments]
        huge = {HUGE_PAGES: "1"} if name == "ours" else {}  # before it imports torch
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **huge}
        )

    def measure(self, what: str) -> float:
        """Runs a cycle and returns images per second ("rate") or the peak of added bytes ("peak")."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("The process has no pipes.")
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return float(json.loads(self.process.stdout.readline()))

    def stop(self) -> None:
        self.process.communicate()


def serve(options: argparse.Namespace, folder: Path) -> None:
    """Answers `Contender.measure` until its pipe closes."""
    device = choose_device(options.device)
    PluginManager.discover(()).index("method")
    before = peak_bytes(lambda: None, device) or 0
    run = build_cycle(options, folder)
    for line in sys.stdin:
        if line.strip() == "peak":
            run()
            answer: float = (peak_bytes(run, device) or 0) - before
        else:
            wait_for(device)
            start = time.perf_counter()
            images = run()
            wait_for(device)
            answer = images / (time.perf_counter() - start)
        print(json.dumps(answer), flush=True)


def compare(contenders: dict[str, Contender], options: argparse.Namespace) -> float:
    """Prints images per second of both, and returns the ratio of the first to the second."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(options.rounds + 1):
        for name, contender in contenders.items():
            rates[name].append(contender.measure("rate"))
        latest = ", ".join(f"{name} {values[-1]:.2f}/s" for name, values in rates.items())
        print(f"round {number}{' (not counted)' if number == 0 else ''}: {latest}", flush=True)
    first, second = (statistics.median(values[1:]) for values in rates.values())
    medians = ", ".join(f"{name} {statistics.median(values[1:]):.2f} images/s" for name, values in rates.items())
    print(f"{options.size} px, batches of {BATCH}, medians: {medians}", flush=True)
    return first / second


def compare_memory() -> None:
    """Prints the peak memory that a cycle adds to a process with everything loaded but the networks."""
    peaks = []
    for name in ("ours", "reference"):
        contender = Contender(name)
        peaks.append(contender.measure("peak"))
        contender.stop()
    mine, theirs = peaks
    print(f"peak memory: ours {mine / 2**20:,.0f} MB, the reference's {theirs / 2**20:,.0f} MB")
    print(f"ratio {mine / theirs:.2f}", flush=True)


def numbers(text: str) -> list[int]:
    """Reads "5,8"."""
    return [int(part) for part in text.split(",")]


def main() -> None:
    """Prints ratios."""
    parser = argparse.ArgumentParser(description="A training step against the reference's.")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--labels", type=numbers, default=[5, 8])
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--cost-of", type=numbers, help="numbers of labels to compare with --labels")
    parser.add_argument("--against", help="a setting of ours to compare with")
    parser.add_argument("--preset")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--device")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--only", choices=["ours", "reference"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        with tempfile.TemporaryDirectory() as name:
            serve(options, Path(name))
        return
    if options.cost_of:
        few, many = (",".join(map(str, labels)) for labels in (options.labels, options.cost_of))
        contenders = {f"{labels} labels": Contender("ours", "--labels", labels) for labels in (few, many)}
        print(f"cost of {many} labels: {compare(contenders, options):.3f} of {few}", flush=True)
    elif options.against:
        contenders = {"ours": Contender("ours"), options.against: Contender("ours", "--set", options.against)}
        print(f"ratio {compare(contenders, options):.2f}", flush=True)
    else:
        contenders = {name: Contender(name) for name in ("ours", "reference")}
        print(f"ratio {compare(contenders, options):.2f}", flush=True)
    for contender in contenders.values():
        contender.stop()
    if not (options.no_memory or options.cost_of or options.against):
        compare_memory()


if __name__ == "__main__":
    main()
