"""Reads and writes the files of a run folder."""

import json
import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from filelock import FileLock, Timeout
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from stargan_fw.config import Config
from stargan_fw.config_layers import Layer, merge
from stargan_fw.errors import LabelError, RunError, one_line
from stargan_fw.files import read_json, replacing, why_unreadable, write_text
from stargan_fw.options import first_mistake
from stargan_fw.runs.checkpoint import Checkpoints
from stargan_fw_registry import LabelSpace

# The lock's file may stay behind, and means nothing then. Beside it is a note of who holds the lock, for messages alone.
LOCK, HOLDER = ".lock", ".lock.json"
LARGEST_NOTE, LARGEST_LABELS, LARGEST_SPLITS = 2**12, 2**22, 2**25  # bytes

logger = logging.getLogger(__name__)


LabelCount: TypeAlias = Annotated[list[int], Field(min_length=2, max_length=2)]


class _Split(BaseModel):
    """What a dataset's entry in `splits.json` has at least; see `split_record.describe_split`."""

    model_config = ConfigDict(strict=True)

    test: list[str]
    training: int
    training_hash: str = ""
    skipped: list[str] = []
    grey_range: list[float] | None = None
    own_crops: str = ""
    label_counts: dict[str, LabelCount] = {}


_SPLITS = TypeAdapter(dict[str, _Split])


class RunFolder:
    """`RUN/`. People script against the names and formats of its files, so these stay as they are.

    Attributes:
        path: the folder.
        checkpoints: `RUN/checkpoints`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = Checkpoints(path / "checkpoints")

    @property
    def holds_run(self) -> bool:
        """Whether a run has begun here."""
        return (self.path / "config.toml").exists()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keeps every other process that holds the run from writing into it, for the block.

        The operating system has the lock, and frees it when the process ends, in whatever way. It counts for all containers
        and machines that share the file system. The folder is made if it is missing. If the block leaves no run in it, then
        the lock's file and the folders that were made are removed again.

        Raises:
            RunError: another process holds the run, or the folder cannot be written to.
        """
        path = self.path.absolute()
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        lock = FileLock(path / LOCK, timeout=0, fallback_to_soft=False)  # a soft lock would outlive a killed process
        try:
            self._acquire(lock)
            try:
                yield
            finally:
                self._release(lock)
        finally:
            for folder in missing:
                with suppress(OSError):  # usually there is a run in it now
                    folder.rmdir()

    def _acquire(self, lock: FileLock) -> None:
        now = datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
        note = {"process": os.getpid(), "host": socket.gethostname(), "since": now}
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / LOCK).touch()
            try:
                lock.acquire()
            except (OSError, NotImplementedError) as error:
                if isinstance(error, Timeout):
                    raise
                logger.warning(
                    "The file system of '%s' has no locks (%s): see to it that nothing else trains there.",
                    self.path,
                    error,
                )
            write_text(self.path / HOLDER, json.dumps(note) + "\n")
        except Timeout:
            raise RunError(
                f"'{self.path}' is in use: {self._holder()} trains there. Wait until it has finished, or stop it, or name "
                "another folder with --out."
            ) from None
        except OSError as error:
            self._release(lock)
            raise RunError(
                f"'{self.path}' cannot be written to: {error.strerror or error}. Make it writable, or name another folder "
                "with --out."
            ) from None

    def _release(self, lock: FileLock) -> None:
        with suppress(OSError):
            (self.path / HOLDER).unlink(missing_ok=True)
            if not self.holds_run:
                (self.path / LOCK).unlink(missing_ok=True)
        lock.release()

    def _holder(self) -> str:
        try:
            note = read_json(self.path / HOLDER, LARGEST_NOTE)
            return one_line(f"process {note['process']} on '{note['host']}', since {note['since']},")
        except (OSError, ValueError, TypeError, KeyError):  # not written yet, or not allowed to be read
            return "another process"

    def check_links(self) -> None:
        """Raises RunError if a link is in the folder, since who goes on with the run would write to where it points."""
        link = next((path for path in self.path.rglob("*") if path.is_symlink()), None)
        if link:
            raise RunError(
                f"'{link}' is a link, and a run that goes on would write to where it points. Replace it by what it points "
                "to; the run folder itself may be a link."
            )

    def create(self, config: Config, space: LabelSpace) -> None:
        """Writes `labels.json`, and then `config.toml`, which makes the folder a run."""
        with self.checkpoints.writing(self.path):
            write_text(self.path / "labels.json", json.dumps(space.to_dict(), indent=1) + "\n")
            write_text(self.path / "config.toml", config.to_toml())

    def change(self, config: Config, step: int, changes: Mapping[str, tuple[Any, Any]]) -> None:
        """Notes in `changes.jsonl` which settings change after a step, by key, from what to what; writes `config.toml`."""
        with self.checkpoints.writing(self.path):
            with (self.path / "changes.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, "changes": changes}) + "\n")
            write_text(self.path / "config.toml", config.to_toml())

    def config(self) -> Config:
        """Reads `config.toml`; RunError if the folder holds no run."""
        if not self.holds_run:
            raise RunError(f"'{self.path}' holds no run: it has no config.toml. Name the folder that `train` wrote.")
        return merge([Layer.from_file(self.path / "config.toml")])

    def labels(self) -> LabelSpace:
        """Reads `labels.json`; RunError if it is missing or broken."""
        path = self.path / "labels.json"
        try:
            return LabelSpace.from_dict(read_json(path, LARGEST_LABELS))
        except (OSError, ValueError, LabelError) as error:
            why = why_unreadable(error) if isinstance(error, OSError) else one_line(str(error))
            raise RunError(
                f"'{path}' cannot be read: {why}. It says what the labels mean. Restore it from a copy."
            ) from None

    def write_tuning(self, record: Mapping[str, Any]) -> None:
        """Writes `tuning.json`."""
        with self.checkpoints.writing(self.path / "tuning.json"):
            write_text(self.path / "tuning.json", json.dumps({"format": 1, **record}, indent=1) + "\n")

    def write_splits(self, splits: Mapping[str, Any]) -> None:
        """Writes `splits.json`."""
        with self.checkpoints.writing(self.path / "splits.json"):
            write_text(self.path / "splits.json", json.dumps(splits, indent=1) + "\n")

    def splits(self) -> dict[str, Any]:
        """Reads `splits.json`; empty if the run is older than this file, RunError if it is broken."""
        path = self.path / "splits.json"
        if not path.exists():
            return {}
        try:
            splits: dict[str, Any] = read_json(path, LARGEST_SPLITS)
            _SPLITS.validate_python(splits)
        except OSError as error:
            why = why_unreadable(error)
        except ValidationError as error:
            why = first_mistake(error)
        except ValueError as error:
            why = str(error)
        else:
            return splits
        raise RunError(f"'{path}' cannot be read: {one_line(why)}. Restore it, or start a new run.")

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Adds a line to `metrics.jsonl`."""
        path = self.path / "metrics.jsonl"
        with self.checkpoints.writing(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def cut_metrics(self, step: int) -> None:
        """Drops the lines of the steps after `step`, which the run will take again."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return
        kept = [line for line in path.read_bytes().splitlines() if _step_of(line) <= step]
        with self.checkpoints.writing(path), replacing(path) as partial:
            partial.write_bytes(b"".join(line + b"\n" for line in kept))

    def save_sample(self, step: int, sheet: Image.Image) -> None:
        """Writes `samples/step-….png`."""
        path = self.path / "samples" / f"step-{step:08d}.png"
        with self.checkpoints.writing(path), replacing(path) as partial:
            sheet.save(partial, "PNG")


def _step_of(line: bytes) -> float:
    """Returns the step of a row; infinity if the line is none, as the last one of a run that was killed while it wrote."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return float("inf")
