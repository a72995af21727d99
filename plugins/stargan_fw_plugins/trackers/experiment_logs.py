"""The trackers `trackio` and `wandb`: losses and samples of a running training, in a browser.

Both log to this machine and send nothing, until the library's own variables say otherwise: `TRACKIO_SPACE_ID` or
`TRACKIO_SERVER_URL`, and `WANDB_MODE=online`. A key is the library's matter (`hf auth login`, `wandb login`): nothing here takes,
stores or shows one.
"""

import importlib
import logging
import os
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import constants as hub
from PIL import Image

from stargan_fw import Tracker, hookimpl
from stargan_fw.errors import PluginError, one_line

logger = logging.getLogger(__name__)

PROJECT = "stargan-fw"
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|TRACKIO_SERVER_URL")  # in names of environment variables


class ExperimentLog(Tracker):
    """Logs with a library that has wandb's interface: `init` opens a run, its `log` takes values by name, `finish` ends it.

    A training that continues from a checkpoint opens a further run of the same group, because what was logged after the checkpoint
    cannot be taken back. If the library fails to open a run, the training goes on without.
    """

    def __init__(self, run: Path) -> None:
        try:
            self.library: Any = importlib.import_module(self.name)
        except ImportError:
            raise PluginError(
                f"it needs the package '{self.name}'. Run: pip install 'stargan-fw[{self.name}]'"
            ) from None
        self.folder = run
        self.opened: Any = None

    @abstractmethod
    def open(self, name: str, group: str) -> Any:
        """Returns a new run of the library."""

    def start(self, step: int, last: int) -> None:  # noqa: ARG002
        group = self.folder.resolve().name
        try:
            self.opened = self.open(f"{group} from step {step}" if step else group, group)
        except Exception as error:  # noqa: BLE001 - a training of days is worth more than its log
            reason = one_line(without_secrets(str(error)))
            logger.warning("Training goes on without the tracker '%s': %s: %s", self.name, type(error).__name__, reason)

    def send(self, step: int, values: dict[str, Any]) -> None:
        """Logs values of a step, which may be earlier than the last step that was logged."""
        self.opened.log(values, step=step)

    def log(self, step: int, dataset: str, values: Mapping[str, float]) -> None:
        if self.opened is not None:
            self.send(step, {f"{dataset}/{name}": value for name, value in values.items()})

    def log_image(self, step: int, name: str, image: Image.Image) -> None:
        if self.opened is not None:
            self.send(step, {name: self.library.Image(image)})

    def close(self) -> None:
        if self.opened is not None:
            self.library.finish()


class Trackio(ExperimentLog):
    """Logs to trackio's folder, for `trackio show --project stargan-fw`. Needs the extra `trackio`."""

    name = "trackio"

    def open(self, name: str, group: str) -> Any:
        quiet = {"embed": False, "auto_log_cpu": False, "auto_log_gpu": False}
        with _hub_as_asked():
            return self.library.init(PROJECT, name=name, group=group, **quiet)


class WandB(ExperimentLog):
    """Logs to `RUN/wandb`, for `wandb sync`; `WANDB_MODE=online` sends at once. Needs the extra `wandb`."""

    name = "wandb"

    def __init__(self, run: Path) -> None:
        # Otherwise wandb reports how it is used and its errors to its makers, even offline. It reads the variable on import.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        super().__init__(run)

    def open(self, name: str, group: str) -> Any:
        # Neither the machine, the user, the command line nor what is printed is recorded.
        nothing = dict.fromkeys(("x_disable_meta", "x_disable_machine_info", "x_disable_stats", "disable_git"), True)
        opened = self.library.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=name,
            group=group,
            dir=self.folder,
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=self.library.Settings(console="off", disable_code=True, host="a machine", **nothing),
        )
        opened.define_metric("step", hidden=True)
        opened.define_metric("*", step_metric="step")
        return opened

    def send(self, step: int, values: dict[str, Any]) -> None:
        # wandb drops values of an earlier step than its own, and the last steps of two datasets come in any order.
        self.opened.log({"step": step, **values})


def without_secrets(text: str) -> str:
    """Returns a text without the values of environment variables that hold keys."""
    secrets = [value for name, value in os.environ.items() if value and SECRET.search(name)]
    return re.sub("|".join(map(re.escape, secrets)), "***", text) if secrets else text


@contextmanager
def _hub_as_asked() -> Iterator[None]:
    """Keeps the Hub's library offline for the block, in which trackio asks the Hub for the user's name, unless logs go there."""
    before = hub.HF_HUB_OFFLINE
    hub.HF_HUB_OFFLINE = before or "TRACKIO_SPACE_ID" not in os.environ
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = before


@hookimpl
def register_trackers(register: Callable[[type[Tracker]], None]) -> None:
    register(Trackio)
    register(WandB)
