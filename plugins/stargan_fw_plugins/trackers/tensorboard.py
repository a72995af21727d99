"""Writes TensorBoard event files to `RUN/tensorboard`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stargan_fw import Tracker, hookimpl
from stargan_fw.errors import PluginError


class TensorBoard(Tracker):
    """Writes scalars as `<dataset>/<metric>` and sample sheets as images. Needs the extra `tensorboard`."""

    name = "tensorboard"

    def __init__(self, run: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - takes a second to import
        except ImportError:
            raise PluginError(
                "it needs the package 'tensorboard'. Run: pip install 'stargan-fw[tensorboard]'"
            ) from None
        self.folder = run / "tensorboard"
        self._open = SummaryWriter
        self.writer: Any = None

    def start(self, step: int, last: int) -> None:  # noqa: ARG002
        # A continued run replaces what was logged after its checkpoint.
        self.writer = self._open(self.folder, purge_step=step + 1)

    def log(self, step: int, dataset: str, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(f"{dataset}/{name}", value, step)

    def log_image(self, step: int, name: str, image: Image.Image) -> None:
        self.writer.add_image(name, np.asarray(image), step, dataformats="HWC")

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


@hookimpl
def register_trackers(register: Callable[[type[Tracker]], None]) -> None:
    register(TensorBoard)
