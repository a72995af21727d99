"""The folder that keeps decoded images and the classifiers that evaluation trains on them."""

from __future__ import annotations

import glob
import logging
import os
import re
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from rich.filesize import decimal as format_size

from stargan_fw.config import expand_path
from stargan_fw.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filelock import BaseFileLock

    from stargan_fw.config import DataConfig

ENVIRONMENT = "STARGAN_FW_CACHE"
REMEDY = f"name another folder with --cache FOLDER, data.cache or {ENVIRONMENT}."
PATIENCE = 2.0  # seconds that a process waits for another one before it logs that
CACHED_FILE = re.compile(r".+-\d+px-[0-9a-f]{16}\.(?:arrow|safetensors)")
_LEFTOVER = re.compile(rf"\.(?P<name>{CACHED_FILE.pattern})(\.lock|[.@].*\.partial)")  # "@": earlier versions

logger = logging.getLogger(__name__)


def cache_folder(config: DataConfig) -> Path:
    """Returns `data.cache`, or else the environment variable's folder, or else `.stargan-fw` in the data's folder."""
    chosen = config.cache or os.environ.get(ENVIRONMENT)
    return Path(expand_path(chosen)) if chosen else Path(expand_path(config.path), ".stargan-fw")


@contextmanager
def only_maker(path: Path) -> Iterator[None]:
    """Waits until no other process makes this file of the cache, and makes others wait while the caller makes it.

    The caller must check again whether the file exists: another process may have made it meanwhile. If a process is
    killed, its lock is free at once, and its unfinished files are removed. The folder is made if it is missing, and
    removed again if it stays empty; DataError if it cannot be made or has no locks.
    """
    existed = path.parent.exists()
    _make_folder(path.parent)
    try:
        remove_leftovers(path.parent)
        with _lock(path):
            yield
    finally:
        if not existed:
            with suppress(OSError):  # usually the folder holds the file now
                path.parent.rmdir()


@contextmanager
def _lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Holds the lock of a file and removes its unfinished copies; Timeout if another process has it and `wait` is false."""
    lock = _acquire_lock(path, wait=wait)
    try:
        for leftover in path.parent.glob(f".{glob.escape(path.name)}[.@]*.partial"):
            leftover.unlink(missing_ok=True)
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file
            Path(lock.lock_file).unlink()
        lock.release()


def _acquire_lock(path: Path, *, wait: bool) -> BaseFileLock:
    lock, patience = FileLock(path.with_name(f".{path.name}.lock")), PATIENCE if wait else 0
    while True:
        try:
            lock.acquire(timeout=patience)
            if Path(lock.lock_file).exists():
                return lock
            lock.release()  # the previous holder has removed this lock's file, so other processes do not see the lock
        except Timeout:
            if not wait:
                raise
            logger.warning("Waiting for another process, which makes '%s'.", path)
            patience = -1  # waits for ever
        except FileNotFoundError:  # another process has given up and removed the empty folder
            _make_folder(path.parent)
        except (OSError, NotImplementedError) as error:  # some network drives have no locks
            raise DataError(
                f"The folder '{path.parent}' cannot hold decoded images, because files in it cannot be locked: {error}. "
                f"N{REMEDY[1:]}"
            ) from None


def remove_leftovers(cache: Path) -> None:
    """Removes the unfinished files of killed processes; files that other processes are writing stay."""
    leftovers = [match for path in cache.iterdir() if (match := _LEFTOVER.fullmatch(path.name))]
    for name in {match["name"] for match in leftovers}:
        with suppress(Timeout), _lock(cache / name, wait=False):
            pass


def _make_folder(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"The folder '{cache}' for decoded images cannot be made: {error.strerror}. N{REMEDY[1:]}"
        ) from None


def check_space(cache: Path, needed: int) -> None:
    """Raises DataError unless the disk of the folder, which need not exist, has `needed` free bytes."""
    existing = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise DataError(
            f"The decoded images need {format_size(needed)} in '{cache}', where {format_size(free)} are free. "
            f"Make room, or {REMEDY}"
        )
