"""Measures what several processes on one machine gain: a training step of all of them against one with as many threads.

python benchmarks/ranks.py [--size 128] [--batch 16] [--count 2] [--rounds 3]

Rounds take turns; medians count. The networks are the paper's, in fp32 on the processor, on noise.
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
from stargan_fw.config import Config
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_bench import rehearse

WARM, STEPS = 2, 10


def measure(size: int, batch: int) -> None:
    """Trains as one of the ranks that torchrun has started, or alone, and prints the images per second of all."""
    settings = {"batch_size": batch, "precision": "fp32", "n_critic": 5}
    tables = {"method": {"name": "stargan"}, "data": {"image_size": size}, "training": settings}
    with ranks.joined(torch.device("cpu")) as device, tempfile.TemporaryDirectory() as folder:
        plugins = PluginManager.discover()
        trainer = rehearse(complete(Config.model_validate(tables), plugins), plugins, [5, 8], device, Path(folder))

        def train(steps: int) -> float:
            start = time.perf_counter()
            for _ in range(steps):
                trainer.step += 1
                trainer.update(trainer.load())
            return time.perf_counter() - start

        train(WARM)
        seconds = train(STEPS)
        if ranks.rank() == 0:
            print(STEPS * batch / seconds)


def launch(count: int, threads: int, options: list[str]) -> float:
    """Returns the images per second of `count` processes with so many threads each."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"] if count > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, *torchrun, __file__, "--measure", *options]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Prints each round, and the medians."""
    parser = argparse.ArgumentParser(description="What several processes on one machine gain.")
    for name, default in (("size", 128), ("batch", 16), ("count", 2), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.size, chosen.batch)
        return
    options = [f"--size={chosen.size}", f"--batch={chosen.batch}"]
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
