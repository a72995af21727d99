"""The sections of `gpu.py`, each of which runs as a process: `gpu_sections.py SECTION --records FILE --until SECONDS …`.

A section is a function that yields pairs of an item's name and a function that measures the item. What was found, an error
or the reason for leaving the item out is a line of the records' file.
"""

import argparse
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gpu_page import FASTEST
from gpu_parts import kernels, layers, networks
from gpu_setting import LABELS, N_CRITIC, Item, LeftOut, Records, Setting, Settings
from gpu_ways import compare_way, list_ways
from ranks import launch
from reference_step import ReferenceGenerator, ReferenceStep

from stargan_fw.compute.machine import choose_device, wait_for
from stargan_fw.inference.engine import Engine
from stargan_fw.training.trainer import Trainer
from stargan_fw_bench.cycles import cycle
from stargan_fw_bench.measurement import copy_bandwidth, matrix_rate, operations, peak_bytes

ROOT = Path(__file__).resolve().parents[1]
UPDATES = 200_000  # the paper's
MANY_LABELS = (192, 8)


def machine(bench: Setting) -> Iterator[Item]:
    """What it is, and its limits."""
    yield "machine", partial(describe_machine, bench.device)
    yield "limits", partial(measure_limits, bench)


def describe_machine(device: torch.device) -> list[dict[str, Any]]:
    """Returns names and values."""
    found: dict[str, Any] = {
        "system": platform.platform(),
        "Python": platform.python_version(),
        "processor cores": os.cpu_count(),
        "torch": torch.__version__,
        "CUDA": torch.version.cuda,
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "GPU": properties.name,
            "memory, GiB": properties.total_memory / 2**30,
            "multiprocessors": properties.multi_processor_count,
            "capability": f"{properties.major}.{properties.minor}",
            "cuDNN": torch.backends.cudnn.version(),
            "TF32 in convolutions": torch.backends.cudnn.allow_tf32,
            **ask_driver(),
        }
    return [{"what": name, "found": value} for name, value in found.items()]


def ask_driver() -> dict[str, Any]:
    """Returns what nvidia-smi says of the first GPU, if it is there."""
    fields = ["driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "power.limit", "temperature.gpu"]
    if not shutil.which("nvidia-smi"):
        return {}
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader", "--id=0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return dict(zip(fields, done.stdout.strip().split(", "), strict=False)) if done.returncode == 0 else {}


def measure_limits(bench: Setting) -> dict[str, Any]:
    """Returns the rates that shares are shares of."""
    side = 256 if bench.small else None
    rates = {
        f"{name} matrix products, TFLOP/s": matrix_rate(bench.device, dtype, side) / 1e12
        for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32))
    }
    return {**rates, "copies, GB/s": copy_bandwidth(bench.device) / 1e9}


def tests(bench: Setting) -> Iterator[Item]:
    """The tests with the marker `gpu`, in a process of their own."""
    yield "pytest", partial(run_tests, bench)


def run_tests(bench: Setting) -> dict[str, Any]:
    """Returns counts, and the tests that failed."""
    if importlib.util.find_spec("pytest") is None:
        raise LeftOut("pytest is not there")
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "tests/gpu", "-v", "-rfE", "-p", "no:cacheprovider"]
    command += ["-W", "default"]  # what a GPU's packages warn of is no error
    command += ["-k", "resident"] * bench.small  # one test shows that the program works
    log = bench.folder / "tests.log"
    with log.open("w", encoding="utf-8") as file:
        environment = {**os.environ, "STARGAN_FW_TEST_DEVICE": str(bench.device)}
        with subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file, env=environment) as process:
            try:
                code = process.wait(bench.left() - 2)
            except subprocess.TimeoutExpired:
                process.kill()
                code = None
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    counts = {word.lower(): sum(f" {word}" in line for line in lines) for word in ("PASSED", "SKIPPED")}
    failed = sorted({line.removeprefix("FAILED ")[:300] for line in lines if line.startswith(("FAILED ", "ERROR "))})
    found = {**counts, "failed": len(failed), "which": "; ".join(failed) or None}
    if code is None:
        found["note"] = "stopped, since the time was over"
    elif code and not failed:
        raise RuntimeError(" / ".join(lines[-3:]))
    return found


def ways(bench: Setting) -> Iterator[Item]:
    """Every way to train, against the plain one."""
    for name, settings in list_ways(bench.device, small=bench.small).items():
        yield name, partial(compare_way, bench, settings)


def speed(bench: Setting) -> Iterator[Item]:
    """A step against the reference's, at several sizes; the fastest way of `ways` where the aims are."""
    fastest = bench.fastest_way()
    for number, (batch, size) in enumerate(bench.shapes):
        name = f"batch {batch}, {size} px"
        yield name, partial(compare_step, bench, batch, size, {})
        if fastest and number < 2:
            yield f"{name}{FASTEST}", partial(compare_step, bench, batch, size, fastest)


@dataclass
class Side:
    """One side of a comparison: a cycle that returns its images, and the most bytes that it had in use.

    Attributes:
        work: the cycle.
        peak: bytes; None if the device does not say.
    """

    work: Callable[[], int]
    peak: int | None


def compare_step(bench: Setting, batch: int, size: int, settings: Settings) -> dict[str, Any]:
    """Returns images per second and memory of both sides; a side that does not fit in memory has neither."""
    makers = {
        "reference": partial(reference_cycle, bench, batch, size),
        "ours": lambda: partial(cycle, bench.trainer(batch, size, settings)),
    }
    sides: dict[str, Side] = {}
    found: dict[str, Any] = {}
    for name, make in makers.items():
        side = bench.within_memory(lambda make=make: prepare(bench, make))
        if side is None:
            found[f"{name}, MB"] = "out of memory"
        else:
            sides[name] = side
            found[f"{name}, MB"] = side.peak and side.peak / 2**20
    rates = bench.alternate({name: side.work for name, side in sides.items()})
    found |= {f"{name}, images/s": rate for name, rate in rates.items()}
    if len(rates) == 2:
        found["ratio"] = rates["ours"] / rates["reference"]
        mine, theirs = sides["ours"].peak, sides["reference"].peak
        found["memory ratio"] = mine / theirs if mine and theirs and theirs > 0 else None
    if "ours" in rates:
        found["share of bf16"] = rates["ours"] * work_per_image(bench, size) / bench.limit("bf16")
    return found


def prepare(bench: Setting, make: Callable[[], Callable[[], int]]) -> Side:
    """Makes one side, and runs it twice: the second cycle's memory has the optimisers' too."""
    before = bench.bytes_in_use()
    work = make()
    work()
    peak = peak_bytes(work, bench.device)
    return Side(work, None if peak is None or before is None else peak - before)


def reference_cycle(bench: Setting, batch: int, size: int) -> Callable[[], int]:
    """Returns a cycle of the reference's formulation."""
    step = ReferenceStep(size, LABELS, device=str(bench.device), d=bench.width)
    images = torch.rand(batch, 3, size, size, device=bench.device) * 2 - 1
    labels = torch.randint(0, 2, (batch, LABELS[0]), device=bench.device).float()

    def work() -> int:
        step.cycle(images, labels, N_CRITIC)
        return N_CRITIC * batch

    return work


def work_per_image(bench: Setting, size: int) -> float:
    """Returns the operations per image of our cycle with torch's own layers.

    What is computed again to save memory, and what other layers save or pad, does not count.
    """
    trainer = bench.trainer(2, size, {"compile": "off", "accelerate": "off"})
    trainer.micro_batch = None
    return operations(lambda: cycle(trainer)) / (2 * trainer.cycle_steps)


def length(bench: Setting) -> Iterator[Item]:
    """How long the paper's training would take."""
    batch, size = bench.usual
    name, fastest = f"batch {batch}, {size} px", bench.fastest_way()
    yield f"{name}{FASTEST}" if fastest else name, partial(time_updates, bench, fastest or {})


def time_updates(bench: Setting, settings: Settings) -> dict[str, Any]:
    """Trains for a minute after some cycles that do not count, and extrapolates."""
    trainer = bench.trainer(*bench.usual, settings)
    for _ in range(2):
        cycle(trainer)
    wait_for(bench.device)
    start, updates, most = time.perf_counter(), 0, min(1.0 if bench.small else 60.0, bench.left() - 3)
    while not updates or time.perf_counter() - start < most:
        cycle(trainer)
        updates += trainer.cycle_steps
    wait_for(bench.device)
    seconds = time.perf_counter() - start
    return {
        "way": describe(settings),
        "seconds measured": seconds,
        "updates/s": updates / seconds,
        "minutes for 200,000 updates": UPDATES * seconds / updates / 60,
    }


def describe(settings: Settings) -> str:
    """Returns settings as text."""
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "as by default"


def labels(bench: Setting) -> Iterator[Item]:
    """200 labels against 13."""
    yield "batch {}, {} px".format(*bench.usual), partial(cost_of_labels, bench)


def cost_of_labels(bench: Setting) -> dict[str, Any]:
    """Returns images per second with few and with many labels."""
    counts = {sum(own): own for own in (LABELS, MANY_LABELS)}
    trainers = {count: bench.trainer(*bench.usual, {}, labels=own) for count, own in counts.items()}
    rates = bench.alternate({str(count): partial(cycle, trainer) for count, trainer in trainers.items()})
    few, many = (rates[str(count)] for count in counts)
    return {**{f"{count} labels, images/s": rate for count, rate in rates.items()}, "cost": few / many}


def translation(bench: Setting) -> Iterator[Item]:
    """Translating images that are on the device."""
    for size in bench.sizes[-2:]:
        yield f"{size} px", partial(time_translation, bench, size)


def time_translation(bench: Setting, size: int) -> dict[str, Any]:
    """Returns images per second by precision and batch size, and those of the reference's generator."""
    images = torch.rand(8 if bench.small else 256, 3, size, size, device=bench.device) * 2 - 1
    works: dict[str, Callable[[], int]] = {}
    for precision, batch in (("auto", 32), ("auto", 256), ("fp32", 32)):
        method = bench.trainer(2, size, {"compile": "off"}).method
        engine, dataset = Engine(method, bench.device, precision=precision, batch_size=batch), method.space.datasets[0]
        target = torch.zeros(len(images), method.space.schema(dataset).dim, device=bench.device)
        works[f"{precision}, batches of {batch}, images/s"] = partial(translate_all, engine, images, dataset, target)
    plain = ReferenceGenerator(sum(LABELS) + len(LABELS), bench.width).to(bench.device)

    @torch.no_grad()
    def reference() -> int:
        for part in images.split(32):
            plain(part, torch.zeros(len(part), sum(LABELS) + len(LABELS), device=bench.device))
        return len(images)

    return bench.alternate({**works, "reference, batches of 32, images/s": reference})


def translate_all(engine: Engine, images: torch.Tensor, dataset: str, target: torch.Tensor) -> int:
    """Translates, and returns the number of images."""
    engine.translate(images, {dataset: target}, {dataset: target})
    return len(images)


def loading(bench: Setting) -> Iterator[Item]:
    """Batches on the device, read from the disk and from the device itself."""
    batch, size = bench.usual
    yield f"batch {batch}, {size} px", partial(time_loading, bench)


def time_loading(bench: Setting) -> dict[str, Any]:
    """Returns images per second until batches are on the device, flipped and scaled."""
    places = {"the disk": "off", "the device": "on"}
    trainers = {name: bench.trainer(*bench.usual, {}, resident=choice) for name, choice in places.items()}
    works = {
        f"from {name}, images/s": partial(load_batches, trainer, 5 if bench.small else 100)
        for name, trainer in trainers.items()
    }
    return bench.alternate(works)


def load_batches(trainer: Trainer, count: int) -> int:
    """Loads batches, and returns the number of images."""
    return sum(len(trainer.load().images) for _ in range(count))


def ranks(bench: Setting) -> Iterator[Item]:
    """Two processes on one device."""
    batch, size = bench.usual
    yield f"batch {batch}, {size} px", partial(compare_ranks, bench)


def compare_ranks(bench: Setting) -> dict[str, Any]:
    """Returns images per second of one process and of two with half of each batch."""
    batch, size = bench.usual
    options = [f"--size={size}", f"--batch={batch}", f"--device={bench.device}", "--precision=auto"]
    options += ["--steps=2", "--warm=1", "--conv-dim=4"] if bench.small else ["--steps=100", "--warm=20"]
    threads = 1 if bench.small else max(1, (os.cpu_count() or 2) // 2)
    rates = {count: launch(count, threads, options, bench.left()) for count in (1, 2)}
    return {"1 process, images/s": rates[1], "2 processes, images/s": rates[2], "ratio": rates[2] / rates[1]}


SECTIONS = {
    section.__name__: section
    for section in (machine, tests, ways, speed, length, kernels, networks, layers, labels, translation, loading, ranks)
}


def main() -> None:
    """Measures a section's items that have no record yet."""
    parser = argparse.ArgumentParser(description="A section of gpu.py.")
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--until", type=float, required=True, help="seconds since the epoch")
    parser.add_argument("--state", type=Path, required=True, help="the results of earlier sections")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    if options.small:
        torch.set_num_threads(1)  # tiny networks gain nothing from threads that wait for each other
    state = json.loads(options.state.read_text(encoding="utf-8")) if options.state.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        bench = Setting(choose_device(options.device), options.small, options.until, state, Path(name))
        Records(options.records).measure_all(bench, SECTIONS[options.section](bench))


if __name__ == "__main__":
    main()
