"""What the sections of `gpu.py` measure with: a device, sizes, time, and what earlier sections found."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from stargan_fw.api import configure_layers
from stargan_fw.compute.machine import wait_for
from stargan_fw.config_layers import Layer
from stargan_fw.training.failed_steps import is_lack_of_memory
from stargan_fw.training.plan import compile_trained
from stargan_fw.training.trainer import Trainer
from stargan_fw_bench.cycles import free_memory
from stargan_fw_bench.measurement import copy_bandwidth, matrix_rate, peak_bytes
from stargan_fw_bench.speed_trial import rehearse, train_on_first

LABELS = (5, 8)  # CelebA's and RaFD's
N_CRITIC = 5  # the paper's, and the default
SHAPES = [
    (16, 128),
    (64, 128),
    (16, 64),
    (64, 64),
    (256, 64),
    (256, 128),
    (16, 256),
    (64, 256),
    (256, 256),
]  # aims first
TINY = {"generator.conv_dim": 4, "generator.repeat_num": 1, "discriminator.conv_dim": 4}
ROUNDS, SECONDS = 5, 0.5  # per side of a comparison and turn
LIMITS = {"bf16": "bf16 matrix products, TFLOP/s", "copies": "copies, GB/s"}
SICK = 3  # the exit code of a process whose device answers no more

Item = tuple[str, Callable[[], Any]]
Settings = Mapping[str, str]  # keys of [training]


class LeftOut(Exception):  # noqa: N818 - nothing is wrong
    """The reason for measuring nothing."""


@dataclass
class Setting:
    """The setting of all measurements.

    Attributes:
        device: where to measure.
        small: tiny networks, images and times.
        until: the end of the section, in seconds since the epoch.
        state: the results of earlier sections, as `gpu.py` writes them.
        folder: for temporary files.
        item_until: when the current measurement should end, so that all have a share of the time.
    """

    device: torch.device
    small: bool
    until: float
    state: Mapping[str, Any]
    folder: Path
    item_until: float = field(default=0.0)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Pairs of a batch size and a side in pixels."""
        return [(4, 32), (8, 32)] if self.small else SHAPES

    @property
    def usual(self) -> tuple[int, int]:
        """The paper's batch size and side."""
        return self.shapes[0]

    @property
    def sizes(self) -> list[int]:
        """Sides in pixels, ascending."""
        return [32, 64] if self.small else [64, 128, 256]

    @property
    def width(self) -> int:
        """Channels of the reference's first maps."""
        return 4 if self.small else 64

    def left(self) -> float:
        """Returns the seconds that are left to the section."""
        return self.until - time.time()

    def found(self, section: str) -> Mapping[str, Any]:
        """Returns what an earlier section found, by item."""
        items = self.state.get("sections", {}).get(section, {}).get("items", {})
        return {name: item["found"] for name, item in items.items() if "found" in item}

    def limit(self, what: str) -> float:
        """Returns operations or bytes a second, "bf16" or "copies", which an earlier section measured or this one does."""
        known = self.found("machine").get("limits", {}).get(LIMITS[what])
        if known:
            return float(known) * (1e12 if what == "bf16" else 1e9)
        if what == "copies":
            return copy_bandwidth(self.device)
        return matrix_rate(self.device, torch.bfloat16, 256 if self.small else None)

    def fastest_way(self) -> Settings | None:
        """Returns the settings of the fastest right way that `ways` found; None if that is the default or nothing is known."""
        right = [way for way in self.found("ways").values() if way.get("right")]
        best = max(right, key=lambda way: way["images/s"], default=None)
        return (
            None if best is None or not best["settings"] else dict(part.split("=") for part in best["settings"].split())
        )

    def tables(self) -> list[str]:
        """Returns the settings of tiny networks, in the format of `--set`."""
        return [f"{key}={value}" for key, value in TINY.items()] if self.small else []

    def trainer(
        self, batch: int, size: int, settings: Settings, labels: Sequence[int] = LABELS, resident: str = "auto"
    ) -> Trainer:
        """Returns a trainer of the paper's method on noise, compiled as its settings say, on one dataset.

        Args:
            batch: images per batch.
            size: side in pixels.
            settings: keys of `[training]`.
            labels: the number of labels of each dataset.
            resident: `data.resident`.
        """
        own = [f"data.image_size={size}", f"data.resident={resident}", f"training.batch_size={batch}", *self.tables()]
        training = [f"training.{name}={value}" for name, value in settings.items()]
        config, plugins = configure_layers([Layer.from_settings([*own, *training])])
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        trainer = train_on_first(rehearse(config, plugins, labels, self.device, folder))
        compile_trained(trainer)
        return trainer

    def bytes_in_use(self) -> int | None:
        """Returns the bytes that torch has allocated; on a processor those that the process has resident."""
        return peak_bytes(lambda: None, self.device)

    def within_memory(self, work: Callable[[], Any]) -> Any:
        """Returns what `work` returns, or None if the device has too little memory, which is then free again."""
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_lack_of_memory(error):
                raise
        free_memory(self.device)
        return None

    def turn(self, work: Callable[[], int], seconds: float = SECONDS) -> float:
        """Returns images per second of a piece of work that returns its images, after a call that does not count."""
        work()
        wait_for(self.device)
        start, images, least = time.perf_counter(), 0, 0.01 if self.small else seconds
        while not images or time.perf_counter() - start < least:
            images += work()
            if images and self.device.type != "cpu":
                wait_for(self.device)  # or thousands of launches would wait for the device
        return images / (time.perf_counter() - start)

    def alternate(self, works: Mapping[str, Callable[[], int]]) -> dict[str, float]:
        """Returns the median images per second of each, of rounds in which they take turns while there is time."""
        rates: dict[str, list[float]] = {name: [] for name in works}
        for number in range(1 if self.small else ROUNDS):
            if number and time.time() > self.item_until:
                break
            for name, work in works.items():
                rates[name].append(self.turn(work))
        return {name: statistics.median(own) for name, own in rates.items()}


def answers(device: torch.device) -> bool:
    """Returns whether the device still computes: after some errors CUDA refuses everything else in the process."""
    try:
        return float(torch.ones(2, device=device).sum()) == 2
    except RuntimeError:
        return False


class Records:
    """The file of a section's results, a line of JSON each.

    Args:
        path: the file; items that it has already are not measured again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.known = {json.loads(line)["item"] for line in lines}

    def write(self, item: str, kind: str, value: Any) -> None:
        """Adds a line, which is on the disk when this returns."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"item": item, kind: value}) + "\n")

    def measure_all(self, bench: Setting, items: Iterable[Item]) -> None:
        """Measures all items that have no line yet, while there is time.

        Raises:
            SystemExit: the device answers no more, and another process has to go on.
        """
        left = [(name, measure) for name, measure in items if name not in self.known]
        for number, (name, measure) in enumerate(left):
            if bench.left() < 2:
                self.write(name, "skipped", "the time was over")
                continue
            bench.item_until = time.time() + bench.left() / (len(left) - number)
            self.write(name, "begun", True)
            self._measure(name, measure, bench.device)
            if not answers(bench.device):
                raise SystemExit(SICK)
            free_memory(bench.device)

    def _measure(self, name: str, measure: Callable[[], Any], device: torch.device) -> None:
        try:
            self.write(name, "found", measure())
        except LeftOut as reason:
            self.write(name, "skipped", str(reason))
        except Exception as error:  # noqa: BLE001 - the others shall be measured whatever is wrong with this
            short = is_lack_of_memory(error)
            kind, why = (
                ("skipped", f"out of memory on {device}") if short else ("error", f"{type(error).__name__}: {error}")
            )
            self.write(name, kind, why[:2000])
            print(f"{name}: {why}", flush=True)
