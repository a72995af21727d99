"""Images a second of training, translating and reading, and their share of what the machine can do."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from stargan_fw import evaluating
from stargan_fw.api import scale_pixels, wait_for
from stargan_fw_bench.cycles import cycle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from stargan_fw.api import Trainer


LOADED_BATCHES = 200  # of a round: a batch takes less than a millisecond


@dataclass(frozen=True, slots=True)
class Speed:
    """One row of the report.

    Attributes:
        work: what was done.
        images_per_second: the median of the rounds.
        slowest: the slowest round's.
        fastest: the fastest round's.
        share: of the measured matrix rate, 0 to 1; None where no matrices are multiplied.
        peak_bytes: the most memory in use; None where the system does not say.
    """

    work: str
    images_per_second: float
    slowest: float
    fastest: float
    share: float | None = None
    peak_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What `bench` found.

    Attributes:
        device: its name.
        precision: what networks computed in.
        compiled: whether they were compiled.
        threads: of the processor.
        matrix_rate: floating-point operations a second of a large matrix product in that precision.
        copy_bandwidth: bytes a second, read and written together.
        speeds: a row for each kind of work.
    """

    device: str
    precision: str
    compiled: bool
    threads: int
    matrix_rate: float
    copy_bandwidth: float
    speeds: list[Speed]

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON has it."""
        return asdict(self)


def measure(trainer: Trainer, compile_networks: Callable[[], bool], rounds: int) -> Report:
    """Measures a rehearsal.

    Operations are counted in an uncompiled cycle, since a compiler hides them; the penalty's, which are in fp32
    whatever the precision, count as all others.

    Args:
        trainer: on noise, as `rehearse` makes it.
        compile_networks: compiles its networks where that is wanted, and says whether it did.
        rounds: of which the medians are taken.
    """
    device, precision = trainer.device, trainer.precision
    rate = matrix_rate(device, precision.dtype)
    batch = trainer.config.batch_size
    # What is computed again to save memory is no work that is asked for.
    given, trainer.micro_batch = trainer.micro_batch, None
    training_work = operations(lambda: cycle(trainer)) / (batch * trainer.cycle_steps)
    trainer.micro_batch = given
    translating_work = operations(lambda: translate(trainer)) / batch
    compiled = compile_networks()
    cycle(trainer)
    peak = peak_bytes(lambda: cycle(trainer), device)
    return Report(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        precision=str(precision),
        compiled=compiled,
        threads=torch.get_num_threads(),
        matrix_rate=rate,
        copy_bandwidth=copy_bandwidth(device),
        speeds=[
            _speed("training", _rates(lambda: cycle(trainer), device, rounds), training_work / rate, peak),
            _speed("translating", _rates(lambda: translate(trainer), device, rounds), translating_work / rate),
            _speed("reading", _rates(lambda: read(trainer), device, rounds)),
        ],
    )


def translate(trainer: Trainer) -> int:
    """Translates a batch as samples are translated, and returns its images."""
    method, (dataset, loader) = trainer.method, next(iter(trainer.loaders.items()))
    images, labels = loader.batch(0)
    scaled = scale_pixels(images.to(trainer.device))
    with evaluating(*method.networks.values()), trainer.precision.autocast():
        source = labels.to(trainer.device)
        method.translate(scaled, dataset, source.roll(len(source) // 2, 0), source)  # each to another's labels
    return len(images)


def read(trainer: Trainer) -> int:
    """Reads batches as training does, and returns their images."""
    loader = next(iter(trainer.loaders.values()))
    return sum(len(loader.batch(number)[0]) for number in range(LOADED_BATCHES))


def _rates(work: Callable[[], int], device: torch.device, rounds: int) -> list[float]:
    """Returns images a second of each round, after one that is not counted."""
    work()
    rates = []
    for _ in range(rounds):
        wait_for(device)
        start = time.perf_counter()
        images = work()
        wait_for(device)
        rates.append(images / (time.perf_counter() - start))
    return rates


def _speed(name: str, rates: list[float], seconds_at_best: float | None = None, peak: int | None = None) -> Speed:
    """Returns the row of work whose images would take `seconds_at_best` each at the matrix rate."""
    median = statistics.median(rates)
    share = None if seconds_at_best is None else median * seconds_at_best
    return Speed(name, median, min(rates), max(rates), share, peak)


REPEATS, CALLS_ON_A_GPU = 7, 10  # waiting for a GPU takes a tenth of what a copy takes


def matrix_rate(device: torch.device, dtype: torch.dtype, side: int | None = None) -> float:
    """Returns floating-point operations a second of a square matrix product, the best of a few.

    Args:
        device: the device.
        dtype: the data type of the factors.
        side: rows and columns; None takes so many that the product is bound by arithmetic alone.
    """
    side = side or (8192 if device.type == "cuda" else 2048)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / _shortest(lambda: a @ b, device)


def copy_bandwidth(device: torch.device) -> float:
    """Returns bytes a second read and written together by copying 256 MB, the best of a few."""
    source = torch.zeros(2**26, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _shortest(lambda: target.copy_(source), device)


def _shortest(work: Callable[[], object], device: torch.device) -> float:
    work()
    seconds, calls = [], 1 if device.type == "cpu" else CALLS_ON_A_GPU
    for _ in range(REPEATS):
        wait_for(device)
        start = time.perf_counter()
        for _ in range(calls):
            work()
        wait_for(device)
        seconds.append((time.perf_counter() - start) / calls)
    return min(seconds)


STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_bytes(work: Callable[[], object], device: torch.device) -> int | None:
    """Runs `work` and returns the most bytes that were in use meanwhile.

    On a GPU what torch had allocated, and all that captured graphs keep for themselves; on a processor what the process had resident, weights and libraries included.
    None where the system does not say (anything but Linux).
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return int(torch.cuda.max_memory_allocated(device)) + _kept_for_graphs(device)
    if device.type != "cpu" or not REFERENCES.exists():
        work()
        return None
    REFERENCES.write_text("5", encoding="ascii")  # the high-water mark starts again from here
    work()
    line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _kept_for_graphs(device: torch.device) -> int:
    """Returns the bytes that only captured graphs can use, beside those that count as allocated: a replay allocates nothing."""
    index = torch.cuda.current_device() if device.index is None else device.index
    segments = torch.cuda.memory_snapshot()  # type: ignore[no-untyped-call]
    of_graphs = [own for own in segments if own["device"] == index and tuple(own["segment_pool_id"]) != (0, 0)]
    return sum(own["total_size"] - own["allocated_size"] for own in of_graphs)


class _Counter(TorchDispatchMode):
    """Counts by torch's own formulas; its `FlopCounterMode` hooks modules and refuses `autograd.grad` inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count:
            self.operations += int(count(*args, **(kwargs or {}), out_val=out))
        if not _is_view(func):
            self.bytes += sum(tensor.nbytes for tensor in _tensors([args, kwargs, out]))
        return out


def _is_view(func: Any) -> bool:
    """Returns whether an operator only looks at its argument in another way, which moves nothing."""
    aliases = [result.alias_info for result in func._schema.returns]  # noqa: SLF001 - torch has no public name for it
    return any(alias is not None and not alias.is_write for alias in aliases)


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))


def operations(work: Callable[[], object]) -> int:
    """Runs `work` and returns its multiplications and additions in convolutions and matrix products.

    Networks must not be compiled: a compiler hides what it does.
    """
    return operations_and_bytes(work)[0]


def operations_and_bytes(work: Callable[[], object]) -> tuple[int, int]:
    """Runs `work` and returns its operations, and the bytes that its operators read and write if none stay in a cache.

    Networks must not be compiled: a compiler hides what it does, and joins operators so that they move less.
    """
    counter = _Counter()
    with counter:
        work()
    return counter.operations, counter.bytes


COSTLIEST = 5


@dataclass(frozen=True, slots=True)
class Part:
    """What one kernel, or on a processor one operator, took of a profiled cycle.

    Attributes:
        name: the kernel's name, or the operator's with the shapes of its inputs.
        share: of the time of all parts, 0 to 1.
        seconds: in the cycle.
        calls: in the cycle.
    """

    name: str
    share: float
    seconds: float
    calls: int


def profile_training(trainer: Trainer, trace: Path) -> list[tuple[str, float]]:
    """Profiles one cycle, writes a trace that chrome://tracing and Perfetto read, and returns the costliest parts.

    Returns:
        name and share of the time, 0 to 1; the costliest first.
    """
    recorded = record_cycle(trainer)
    recorded.export_chrome_trace(str(trace))
    return [(part.name, part.share) for part in costliest_parts(recorded, trainer.device)]


def record_cycle(trainer: Trainer) -> profile:
    """Profiles one cycle of training, after one that is not recorded."""
    activities = [ProfilerActivity.CPU]
    if trainer.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    cycle(trainer)
    wait_for(trainer.device)
    recorded = profile(activities=activities, record_shapes=True)
    with recorded:
        cycle(trainer)
        wait_for(trainer.device)
    return recorded


def costliest_parts(recorded: profile, device: torch.device, count: int = COSTLIEST) -> list[Part]:
    """Returns the parts of a recorded cycle that took most of the device's time, the costliest first.

    On a GPU parts are kernels: what the operators that launch them report is the same time once more.
    """
    if device.type == "cuda":
        parts = (part for part in recorded.key_averages() if part.device_type.name == "CUDA")
        found = [
            (part.key, part.self_device_time_total, part.count)
            for part in parts
            if not getattr(part, "is_user_annotation", False)
        ]
    else:
        operators = recorded.key_averages(group_by_input_shape=True)
        found = [(_named(part), part.self_cpu_time_total, part.count) for part in operators]
    total = sum(time for _, time, _ in found) or 1.0
    first = sorted(found, key=lambda part: part[1], reverse=True)[:count]
    return [Part(name, time / total, time / 1e6, calls) for name, time, calls in first]


def _named(part: Any) -> str:
    shapes = " ".join("x".join(map(str, shape)) for shape in part.input_shapes if shape)
    return f"{part.key.removeprefix('aten::')} {shapes}".strip()
