"""Compares the speed of the store with Pillow behind torch's `DataLoader` on the same JPEGs, and measures memory.

    python benchmarks/loader.py [--images 2000] [--rounds 5] [--large 200000]

Both give shuffled uint8 batches of 16 at 128 px. They take turns, and the medians of the rounds are compared. Memory is the
kernel's resident set (VmRSS: anonymous memory and mapped files together), sampled while batches are read. The store is
read with `pread`, so the kernel's cache of the file does not count. No cache is dropped: all files have just been
written, and reading from a disk may be slower.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stargan_fw.data.images import prepare
from stargan_fw.data.ingest import Framing, Ingestion
from stargan_fw.data.loader import Loader
from stargan_fw.data.store import Store, write_store

SIDE, BATCH, LABELS = 128, 16, 5
STORE_BATCHES, JPEG_BATCHES = 1000, 60  # per round
SMALL, MEMORY_SIDE = 2000, 64


class Jpegs(Dataset[tuple[Tensor, Tensor]]):
    """What most implementations do: open, crop, resize and convert an image each time it is read."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.labels = torch.zeros(len(paths), LABELS)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        with Image.open(self.paths[index]) as image:
            pixels = np.array(prepare(image, SIDE, 178))
        return torch.from_numpy(pixels).permute(2, 0, 1), self.labels[index]


def draw(folder: Path, count: int) -> list[Path]:
    """Writes JPEGs of CelebA's size: smooth with some noise, so the files are about as large as photographs."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{number:06d}.jpg" for number in range(count)]
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (14, 11, 3), dtype=np.uint8)).resize((178, 218))
        noisy = np.asarray(coarse).astype(np.int16) + rng.integers(-6, 7, (218, 178, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return paths


def rate(batches: Iterable[object], count: int) -> float:
    """Returns images per second over `count` batches, after a first one that starts the worker."""
    iterator = iter(batches)
    next(iterator)
    start = time.perf_counter()
    taken = sum(1 for _ in itertools.islice(iterator, count))
    return taken * BATCH / (time.perf_counter() - start)


def batches_of(loader: Loader) -> Iterator[object]:
    return (loader.batch(number) for number in itertools.count())


def compare(folder: Path, images: int, rounds: int) -> None:
    """Prints the speed of both loaders."""
    paths = draw(folder, images)
    store = Ingestion("jpegs", paths, Framing(SIDE, 178), folder / "cache").run()
    ours = Loader(store, np.zeros((images, LABELS), np.float32), range(images), batch_size=BATCH, seed=(0, 0))
    theirs = DataLoader(Jpegs(paths), BATCH, shuffle=True, num_workers=1, drop_last=True)
    speeds: dict[str, list[float]] = {"store": [], "jpegs": []}
    for number in range(rounds):
        speeds["store"].append(rate(batches_of(ours), STORE_BATCHES))
        speeds["jpegs"].append(rate(theirs, JPEG_BATCHES))
        print(f"round {number + 1}: " + ", ".join(f"{name} {values[-1]:,.0f}/s" for name, values in speeds.items()))
    fast, slow = (statistics.median(values) for values in speeds.values())
    print(f"{SIDE} px, batches of {BATCH}, medians: store {fast:,.0f} images/s, JPEGs {slow:,.0f} images/s")
    print(f"ratio {fast / slow:.0f}")


def resident() -> float:
    """Returns the resident memory of this process in megabytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def peak(folder: Path, count: int) -> float:
    """Returns the peak resident memory in megabytes while every image of a store of `count` is read."""
    path = folder / f"{count}.arrow"
    pixels = np.random.default_rng(0).integers(0, 256, (64, MEMORY_SIDE**2 * 3), dtype=np.uint8)
    write_store(path, (pixels[number % 64].tobytes() for number in range(count)))
    labels = np.zeros((count, LABELS), np.float32)
    loader = Loader(Store(path, MEMORY_SIDE), labels, range(count), batch_size=BATCH, seed=(0, 0))
    highest = 0.0
    for number in range(len(loader)):
        loader.batch(number)
        highest = max(highest, resident()) if number % 50 == 0 else highest
    return highest


def main() -> None:
    """Prints speed and memory."""
    parser = argparse.ArgumentParser(description="Speed and memory of reading.")
    parser.add_argument("--images", type=int, default=2000, help="JPEGs to draw")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--large", type=int, default=200_000, help="images of the large store; with 0 memory is not measured"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare(folder, arguments.images, arguments.rounds)
        if arguments.large:
            small, large = peak(folder, SMALL), peak(folder, arguments.large)
            print(
                f"resident, {MEMORY_SIDE} px: {small:.0f} MB for {SMALL:,} images, {large:.0f} for {arguments.large:,}"
            )
            print(f"growth {large - small:.0f} MB")


if __name__ == "__main__":
    main()
