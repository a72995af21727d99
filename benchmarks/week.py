"""Trains for many tiny steps, to see whether memory, descriptors, threads or log files grow without end.

    python benchmarks/week.py [--steps 20000] [--interval 20]

A real run of tiny networks on small drawn faces: it logs every step, saves a checkpoint every `--interval` steps and draws a
sheet with every tenth checkpoint, with the TensorBoard tracker if that is installed. The first fifth of the readings is
warm-up. Then the first and the last quarter are compared: resident memory must stay within 5 %, descriptors and
threads must stay as few, and the tracker's files must grow no faster than what is logged. glibc keeps freed memory (`stargan_fw.process`), so
memory rises to a plateau, from which single readings may fall; a leak makes it rise on.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from stargan_fw.process import prepare_process

if __name__ == "__main__":  # a test imports this file
    prepare_process()  # as the program does, before torch is imported

import torch
from rich.console import Console

from stargan_fw import Tracker
from stargan_fw.api import Layer, RunFolder, configure_layers, prepare_training
from stargan_fw_plugins.datasets.celeba import CelebA
from stargan_fw_plugins.datasets.rafd import RaFD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

READINGS, WARM_UP = 50, 10
# How to read a quarter, and by what share the last may exceed the first. A checkpoint that is being written has a thread and a
# file open for a moment, which the least number leaves out.
LIMITS = {"resident_mb": (max, 0.05), "descriptors": (min, 0.0), "threads": (min, 0.0), "tracker_ratio": (max, 0.05)}
TINY = {
    "data.image_size": 32,
    "training.batch_size": 2,
    "training.n_critic": 2,
    "training.ema": 0.9,
    "training.precision": "fp32",
    "training.compile": "off",
    "training.log_every": 1,
    "training.trackers": ["tensorboard"] if importlib.util.find_spec("tensorboard") else [],
    "training.accelerate": "off",
    "generator.conv_dim": 4,
    "generator.repeat_num": 1,
    "discriminator.conv_dim": 2,
    "discriminator.repeat_num": 3,
}


@dataclass(frozen=True)
class Reading:
    """What the process holds at a step.

    Attributes:
        step: the number of steps taken.
        resident_mb: megabytes of resident memory.
        descriptors: the number of open files.
        threads: the number of threads.
        tracker_ratio: the bytes of the tracker's files per byte of the metrics and sheets in the run folder.
    """

    step: int
    resident_mb: float
    descriptors: int
    threads: int
    tracker_ratio: float

    @classmethod
    def take(cls, step: int, run: Path) -> Reading:
        """Reads `/proc/self` and the sizes of the run's logs."""
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        logged = [run / "metrics.jsonl", *run.glob("samples/*.png")]
        return cls(
            step,
            pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
            len(list(Path("/proc/self/fd").iterdir())),
            len(list(Path("/proc/self/task").iterdir())),
            _bytes(run.glob("tensorboard/*")) / _bytes(logged),
        )


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


class Watch(Tracker):
    """Takes a reading in the middle between two checkpoints, now and then."""

    name = "watch"

    def __init__(self, run: Path, every: int, offset: int) -> None:
        self.run, self.every, self.offset = run, every, offset
        self.readings: list[Reading] = []

    def log(self, step: int, dataset: str, values: Mapping[str, float]) -> None:
        pass

    def advance(self, step: int) -> None:
        if step % self.every == self.offset % self.every:
            self.readings.append(Reading.take(step, self.run))
            print("".join(f"{value:>14,.6g}" for value in astuple(self.readings[-1])), flush=True)


def judge(readings: Sequence[Reading]) -> list[str]:
    """Returns what grows; empty if nothing does."""
    after = readings[min(WARM_UP, len(readings) // 5) :]
    quarters = after[: len(after) // 4 + 1], after[-len(after) // 4 - 1 :]
    faults = []
    for name, (read, tolerance) in LIMITS.items():
        before, now = (read(getattr(reading, name) for reading in quarter) for quarter in quarters)
        print(f"{name}: {before:,.4g} in the first quarter after the warm-up, {now:,.4g} in the last")
        if now > (1 + tolerance) * before:
            faults.append(name)
    return faults


def train(folder: Path, steps: int, interval: int) -> list[Reading]:
    """Trains, and returns the readings."""
    for dataset in (CelebA, RaFD):
        (folder / dataset.name).mkdir()
        dataset.draw_stand_in(folder / dataset.name, images=60, people=5, seed=1)
    saved = {"training.steps": steps, "training.save_every": interval, "training.sample_every": 10 * interval}
    keys = {**TINY, **saved, "data.path": str(folder)}
    layers = [Layer.from_keys("benchmarks/week.py", keys)]
    config, plugins = configure_layers(layers, datasets="celeba,rafd", preset="stargan_64")
    run = RunFolder(folder / "run")
    watch = Watch(run.path, max(1, steps // READINGS), interval // 2)
    print("".join(f"{field.name:>14}" for field in fields(Reading)))
    prepare_training(config, plugins, run).run(torch.device("cpu"), Console(quiet=True), [watch])
    return watch.readings


def main() -> None:
    """Prints the readings and a verdict; exit code 1 if something grows."""
    parser = argparse.ArgumentParser(description="Whether a long training leaks.")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--interval", type=int, default=20, help="steps between checkpoints")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        faults = judge(train(Path(folder), options.steps, options.interval))
    print(f"grows: {', '.join(faults)}" if faults else "nothing grows")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
