"""Reads and writes checkpoints, which appear whole or not at all, are checked when they are read, and contain no pickle.

A checkpoint is a folder. Format 2 has these files:

- `state.json`: JSON values, such as the step, with "format" and "made_with", the program that wrote them.
- `<stem>.safetensors`: tensors. The stem is a network's name, "ema" or "optimizers".
- `SHA256SUMS`: the checksums of all other files, as `sha256sum --check` reads them.

Format 1 has no SHA256SUMS, so that damage is noticed only where a file cannot be read any more.
"""

import errno
import hashlib
import json
import logging
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.filesize import decimal as format_size
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from stargan_fw.errors import RunError, TrainingError, one_line
from stargan_fw.files import check_format, read_text, remove, replacing
from stargan_fw.options import first_mistake
from stargan_fw.version import __version__

FORMAT = 2
STATE, SUMS = "state.json", "SHA256SUMS"
OPTIMIZERS = "optimizers.safetensors"  # only training reads this file, the largest one
LARGEST = 2**24  # bytes of the state, of the checksums, and of a header, which takes many times as much memory
_STEP = re.compile(r"step-\d{8,15}")
_SUM = re.compile(r"([0-9a-f]{64})  ([^/\\]+)")

T = TypeVar("T")
logger = logging.getLogger(__name__)


class _State(BaseModel):
    """What `state.json` has at least, if training is to continue from it."""

    model_config = ConfigDict(strict=True)

    step: int = Field(ge=0)
    updates: dict[str, int]
    pending: dict[str, dict[str, int | float | None]]
    skipped: dict[str, dict[str, int]] = {}
    in_a_row: dict[str, dict[str, int]] = {}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state that a run continues from.

    Attributes:
        tensors: file stem ("generator", "discriminator", "ema", "optimizers") → name → tensor.
        state: JSON values: the step, and per dataset the updates and the metrics that are not logged yet.
    """

    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


@contextmanager
def restoring(run: Path) -> Iterator[None]:
    """Turns errors of the block, which restores the state of a run from a checkpoint, into a RunError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        why = one_line(f"{type(error).__name__}: {error}")
        raise RunError(
            f"The newest checkpoint of '{run}' is not of this configuration ({why}). Restore the run's files from a copy."
        ) from error


class Checkpoints:
    """The folder `RUN/checkpoints`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: Future[None] | None = None
        self._copies: dict[tuple[str, str], Tensor] = {}

    def paths(self) -> list[Path]:
        """Returns the checkpoints' folders, the oldest first, without checking them."""
        while True:
            listed = sorted(path for path in self._folder.glob("step-*") if _STEP.fullmatch(path.name))
            folders = [path for path in listed if path.is_dir()]
            # A training may have removed one since the list was made, which then may lack the newest.
            if all(map(os.path.lexists, listed)):
                return folders

    def whole(self) -> list[Path]:
        """Returns the folders of the checkpoints that can be used, the oldest first. A log message names each other one."""
        faults: dict[Path, str] = {}
        whole = [path for path in self.paths() if _attempt(_check_networks, path, faults)]
        _warn_of(faults)
        return whole

    def latest(self) -> Path:
        """Returns the folder of the newest checkpoint that can be used. A log message names newer ones that are damaged.

        The optimisers' state, which only training needs, is not checked.

        Raises:
            RunError: there is none, all are damaged, or the newest has a newer format than this program reads.
        """
        return self._newest(_check_networks)

    def load(self) -> Checkpoint:
        """Reads the newest checkpoint that is whole. Log messages and errors are those of `latest`."""
        return self._newest(_read)

    def _newest(self, read: Callable[[Path], T]) -> T:
        self.wait()
        faults: dict[Path, str] = {}
        while paths := [path for path in self.paths() if path not in faults]:
            found = _attempt(read, paths[-1], faults)  # a training may have removed this checkpoint meanwhile
            if found is not None:
                _warn_of(faults)
                return found
        if not faults:
            raise RunError(f"'{self._folder.parent}' has no checkpoint yet. Train until it has one, or begin anew.")
        damage = "".join(f"\n  '{path}': {why}" for path, why in faults.items())
        raise RunError(
            f"'{self._folder.parent}' has no checkpoint that is whole:{damage}\nRestore one of them from a copy, or start a "
            "new run in another folder."
        )

    def save(
        self,
        step: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any],
        keep: int,
        every: int | None = None,
    ) -> Path:
        """Copies the state of a step (see `Checkpoint`) and writes the copy in the background, once the save before has ended.

        The copy takes as much memory of the processor as the checkpoint takes on the disk. The next save uses that memory
        again, which is several times faster than to get new memory.

        Args:
            step: the number of steps taken.
            tensors: the tensors, which may change as soon as this method returns.
            state: the JSON values.
            keep: how many checkpoints to keep, the newest ones. Others are removed once the new one is on the disk.
            every: also keep the checkpoints of steps that are multiples of this number.

        Returns:
            The folder that the checkpoint will have.

        Raises:
            TrainingError: the save before has failed, as `wait` says.
        """
        self._end_save()
        path = self._folder / f"step-{step:08d}"
        copies = {
            stem: {name: self._copy((stem, name), value) for name, value in values.items()}
            for stem, values in tensors.items()
        }
        text = json.dumps({"format": FORMAT, "made_with": f"stargan-fw {__version__}", **state})
        writer = ThreadPoolExecutor(1, "checkpoint")
        self._written = writer.submit(self._write, path, copies, text, lambda: self._prune(path, keep, every))
        writer.shutdown(wait=False)
        return path

    def wait(self) -> None:
        """Waits until the last save has ended, and gives up the memory of its copy.

        Raises:
            TrainingError: the disk is full or cannot be written to, or a tensor is not finite. Then this checkpoint is not
                written, and the ones before are as they were.
        """
        try:
            self._end_save()
        finally:
            self._copies.clear()

    def _end_save(self) -> None:
        if self._written is None:
            return
        wait([self._written])
        written, self._written = self._written, None
        written.result()

    def _copy(self, key: tuple[str, str], value: Tensor) -> Tensor:
        """Returns a contiguous copy that shares memory with no other tensor, as tied weights do: safetensors refuses that."""
        copy = self._copies.get(key)
        if copy is None or (copy.shape, copy.dtype) != (value.shape, value.dtype):
            copy = self._copies[key] = torch.empty(value.shape, dtype=value.dtype, device="cpu")
        return copy.copy_(value.detach())

    def _write(
        self, path: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: str, then: Callable[[], None]
    ) -> None:
        self._check_finite(path, tensors)
        size = sum(value.nbytes for values in tensors.values() for value in values.values())
        with self.writing(path, size):
            self.remove_leftovers()
            self._write_files(path, tensors, state)
            then()

    def remove_leftovers(self) -> None:
        """Removes what a killed process has written or removed in part. Call it only while this process holds the run."""
        for leftover in self._folder.glob(".step-*.partial"):
            remove(leftover)

    def _write_files(self, path: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: str) -> None:
        with replacing(path, flush=True) as partial:
            partial.mkdir()
            for stem, values in tensors.items():
                save_file(dict(values), partial / f"{stem}.safetensors")
            (partial / STATE).write_text(state, encoding="utf-8")
            sums = "".join(f"{_checksum(file)}  {file.name}\n" for file in sorted(partial.iterdir()))
            (partial / SUMS).write_text(sums, encoding="utf-8", newline="\n")

    def _prune(self, newest: Path, keep: int, every: int | None) -> None:
        """Removes old checkpoints. Those of later steps are damaged, since training began before them, and do not count."""
        for old in [path for path in self.paths() if path <= newest][:-keep]:
            if every and _step_of(old) % every == 0:
                continue
            try:
                remove(old)
            except OSError as error:
                logger.warning("The old checkpoint '%s' cannot be removed: %s", old, error.strerror or error)

    def _check_finite(self, path: Path, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        for stem, values in tensors.items():
            for name, value in values.items():
                # The sum is faster than a look at each value, but may be infinite although no value is.
                if not value.sum().isfinite() and not value.isfinite().all():
                    raise TrainingError(
                        f"'{path}' is not written: the tensor '{name}' of {stem} has values that are not finite. "
                        f"{self._remedy('lower training.learning_rate')}"
                    )

    @contextmanager
    def writing(self, path: Path, size: int | None = None) -> Iterator[None]:
        """Turns an error of the disk in the block into a TrainingError, which says what is whole and how to go on.

        Args:
            path: the file or folder in the run folder that the block writes.
            size: its size in bytes, if that is known.
        """
        try:
            yield
        except (OSError, SafetensorError) as error:
            number = error.errno if isinstance(error, OSError) else _error_number(str(error))
            why = os.strerror(number) if number else one_line(str(error)).rstrip(".")
            room = ""
            if size is not None:
                free = shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.exists())).free
                room = f" It needs {format_size(size)}, and {format_size(free)} are free."
            advice = "make room" if number in {errno.ENOSPC, errno.EDQUOT} else "mend that"
            raise TrainingError(f"'{path}' cannot be written: {why}.{room} {self._remedy(advice)}") from error

    def _remedy(self, advice: str) -> str:
        paths, run = self.paths(), self._folder.parent
        if not (run / "config.toml").exists():
            return f"No run has begun: {advice}, then run the same command again."
        kept = "There is no checkpoint yet"
        if paths:
            kept = f"The checkpoint of step {_step_of(paths[-1])} is whole, and the only one that is needed to continue"
        return f"{kept}: {advice}, then run: stargan-fw train --out {shlex.quote(str(run))} --resume"


def _read(path: Path) -> Checkpoint:
    state, names = _check(path)
    _State.model_validate(state)
    return Checkpoint({Path(name).stem: _load(path / name) for name in names if name.endswith(".safetensors")}, state)


def _load(path: Path) -> dict[str, Tensor]:
    """Reads tensors into memory of their own.

    Those of safetensors are parts of the file, and its room on the disk would stay taken after the file is removed, as long as
    one of them is in use.
    """
    with path.open("rb") as file:
        if int.from_bytes(file.read(8), "little") > LARGEST:
            raise ValueError(f"{path.name} is no safetensors file: its header is too long")
    try:
        tensors = load_file(path)
    except RuntimeError as error:  # torch's, for a file that cannot be opened
        raise OSError(one_line(str(error))) from None
    return {name: value.clone() for name, value in tensors.items()}


def _check_networks(path: Path) -> Path:
    _check(path, without=OPTIMIZERS)
    return path


def _check(path: Path, without: str = "") -> tuple[dict[str, Any], list[str]]:
    """Returns a checkpoint's state and all its files' names; OSError if one is missing, ValueError if damaged, RunError if newer."""
    sums = _read_sums(path)
    for name, checksum in sums.items():
        if name != without and _checksum(path / name) != checksum:
            raise ValueError(f"{name} is damaged, as its checksum in {SUMS} shows")
    state = json.loads(read_text(path / STATE, LARGEST))
    if check_format(dict(state), FORMAT, path) > 1 and STATE not in sums:
        raise ValueError(f"{SUMS} is missing, or does not name {STATE}")
    return state, sorted(sums or (file.name for file in path.iterdir() if file.is_file()))


def _read_sums(path: Path) -> dict[str, str]:
    """Returns file name → checksum; empty if the checkpoint has no checksums."""
    if not (path / SUMS).exists():
        return {}
    *lines, end = read_text(path / SUMS, LARGEST).split("\n")
    parts = [_SUM.fullmatch(line) for line in lines]
    if end or None in parts:
        raise ValueError(f"{SUMS} is damaged")
    return {part[2]: part[1] for part in parts if part}


def _checksum(path: Path) -> str:
    if path.exists() and not path.is_file():  # opening a pipe would wait for somebody to write
        raise ValueError(f"{path.name} is no file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _attempt(read: Callable[[Path], T], path: Path, faults: dict[Path, str]) -> T | None:
    """Reads a checkpoint. If it is damaged, returns None and notes why, unless it has been removed meanwhile."""
    try:
        return read(path)
    except (OSError, ValueError, TypeError, RecursionError, SafetensorError) as error:
        if path.is_dir():
            missing = error.filename if isinstance(error, FileNotFoundError) else None
            why = f"{STATE}: {first_mistake(error)}" if isinstance(error, ValidationError) else str(error)
            faults[path] = one_line(f"{Path(missing).name} is missing" if missing else why)
        return None


def _warn_of(faults: Mapping[Path, str]) -> None:
    for path, why in faults.items():
        _warn(f"The checkpoint '{path}' is passed over, and an older one used: {why}.")


@cache
def _warn(message: str) -> None:
    """Logs a message once in a process: one command may look for the newest checkpoint several times."""
    logger.warning(message)


def _error_number(message: str) -> int | None:
    """Returns the number of the system's error that safetensors writes at the end of its messages."""
    found = re.search(r"\(os error (\d+)\)", message)
    return int(found[1]) if found else None


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))
