"""A tracker of your own: `RUN/metrics.csv`, which spreadsheets open, and `RUN/latest.png`, the newest sheet of samples.

stargan-fw train --plugin examples/csv_tracker.py --set 'training.trackers=["csv"]' --datasets celeba,rafd --data DATA
"""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from PIL import Image

from stargan_fw import Tracker, hookimpl


class CsvTracker(Tracker):
    """A row per step, dataset and metric."""

    name = "csv"

    def __init__(self, run: Path) -> None:
        self.table, self.picture = run / "metrics.csv", run / "latest.png"
        self.file: TextIO | None = None

    def start(self, step: int, last: int) -> None:  # noqa: ARG002
        """Keeps the rows up to the checkpoint from which a stopped training continues: later steps come again."""
        rows: list[list[str]] = []
        if self.table.exists():
            with self.table.open(encoding="utf-8", newline="") as file:
                rows = [row for row in csv.reader(file) if row[0].isdigit() and int(row[0]) <= step]
        self.file = self.table.open("w", encoding="utf-8", newline="")
        csv.writer(self.file).writerows([["step", "dataset", "metric", "value"], *rows])

    def log(self, step: int, dataset: str, values: Mapping[str, float]) -> None:
        if self.file is not None:
            csv.writer(self.file).writerows([step, dataset, metric, value] for metric, value in values.items())
            self.file.flush()

    def log_image(self, step: int, name: str, image: Image.Image) -> None:  # noqa: ARG002
        image.save(self.picture)

    def close(self) -> None:
        if self.file is not None:  # a training may end before it starts a step
            self.file.close()


@hookimpl
def register_trackers(register: Callable[[type[Tracker]], None]) -> None:
    register(CsvTracker)
