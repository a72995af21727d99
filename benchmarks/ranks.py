"""Measures what several processes on one machine gain: a training step of all of them against one with as many threads.

python benchmarks/ranks.py [--size 128] [--batch 16] [--count 2] [--rounds 3] [--device cpu] [--precision fp32]

Rounds take turns; medians count. The networks are the paper's, on noise. Several processes share one GPU.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from stargan_fw import ranks
from stargan_fw.components import complete
from stargan_fw.compute.machine import wait_for
from stargan_fw.config import Config
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_bench import rehearse


def measure(chosen: argparse.Namespace) -> None:
    """Trains as one of the ranks that torchrun has started, or alone, and prints the images per second of all."""
    tables = {
        "method": {"name": "stargan"},
        "data": {"image_size": chosen.size},
        "training": {"batch_size": chosen.batch, "precision": chosen.precision, "n_critic": 5},
        "generator": {"conv_dim": chosen.conv_dim},
        "discriminator": {"conv_dim": chosen.conv_dim},
    }
    with ranks.joined(torch.device(chosen.device)) as device, tempfile.TemporaryDirectory() as folder:
        plugins = PluginManager.discover()
        trainer = rehearse(complete(Config.model_validate(tables), plugins), plugins, [5, 8], device, Path(folder))

        def train(steps: int) -> float:
            start = time.perf_counter()
            for _ in range(steps):
                trainer.step += 1
                trainer.update(trainer.load())
            wait_for(device)
            return time.perf_counter() - start

        train(chosen.warm)
        seconds = train(chosen.steps)
        if ranks.rank() == 0:
            print(chosen.steps * chosen.batch / seconds)


def launch(count: int, threads: int, options: list[str], limit: float | None = None) -> float:
    """Returns the images per second of `count` processes with so many threads each.

    Raises:
        subprocess.SubprocessError: they fail, or take more than `limit` seconds.
    """
    here = ["--standalone", "--local-addr=127.0.0.1"]  # a machine without a network may not find itself by its name
    torchrun = ["-m", "torch.distributed.run", *here, f"--nproc-per-node={count}"] if count > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, *torchrun, __file__, "--measure", *options]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            printed, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.terminate()  # torchrun ends its processes then, which it could not do if it were killed
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return float(printed.split()[-1])


def main() -> None:
    """Prints each round, and the medians."""
    parser = argparse.ArgumentParser(description="What several processes on one machine gain.")
    numbers = {"size": 128, "batch": 16, "count": 2, "rounds": 3, "warm": 2, "steps": 10, "conv-dim": 64}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen)
        return
    shared = ["size", "batch", "warm", "steps", "conv-dim", "device", "precision"]
    options = [f"--{name}={getattr(chosen, name.replace('-', '_'))}" for name in shared]
    rates: dict[int, list[float]] = {1: [], chosen.count: []}
    for number in range(chosen.rounds):
        for count, own in rates.items():
            own.append(launch(count, chosen.count // count, options))
        print(f"round {number + 1}: " + ", ".join(f"{count} processes {own[-1]:.2f}" for count, own in rates.items()))
    one, several = (statistics.median(own) for own in rates.values())
    print(f"images/s: {chosen.count} processes {several:.2f}, one with {chosen.count} threads {one:.2f}", end="")
    print(f", ratio {several / one:.2f}")


if __name__ == "__main__":
    main()
