"""The folder of decoded images."""

from __future__ import annotations

import os
import platform
import re
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stargan_fw.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stargan_fw.config import DataConfig

ENVIRONMENT = "STARGAN_FW_CACHE"
REMEDY = f"name another folder with --cache FOLDER, data.cache or {ENVIRONMENT}."
_STORE = re.compile(r".+-\d+px-[0-9a-f]{16}\.arrow")
_PARTIAL = re.compile(r"\..+-\d+px-[0-9a-f]{16}\.arrow@(?P<host>[^@]*)@(?P<process>\d+)\.partial")


def cache_folder(config: DataConfig) -> Path:
    """Returns where decoded images go: `data.cache`, else what the environment says, else `.stargan-fw` in the data."""
    named = config.cache or os.environ.get(ENVIRONMENT)
    return Path(named).expanduser() if named else Path(config.path).expanduser() / ".stargan-fw"


def readable_size(count: float) -> str:
    """Returns a number of bytes as people write it: "1.2 GB"."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


@contextmanager
def folder_in_use(cache: Path) -> Iterator[None]:
    """Makes the folder, and takes it away again if nothing has come to lie in it.

    Raises:
        DataError: it cannot be made.
    """
    existed = cache.exists()
    make_folder(cache)
    try:
        yield
    finally:
        if not existed:
            with suppress(OSError):  # as a rule it is not empty
                cache.rmdir()


def make_folder(cache: Path) -> None:
    """Makes the folder.

    Raises:
        DataError: it cannot be made.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"The folder '{cache}' for decoded images cannot be made: {error.strerror}. N{REMEDY[1:]}"
        ) from None


def check_space(cache: Path, needed: int) -> None:
    """Raises DataError unless `needed` bytes are free where the folder is or will be."""
    existing = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise DataError(
            f"The decoded images need {readable_size(needed)} in '{cache}', where {readable_size(free)} are free. "
            f"Make room, or {REMEDY}"
        )


def partial_path(path: Path) -> Path:
    """Returns where this process writes a store before it is given its name."""
    return path.with_name(f".{path.name}@{platform.node()}@{os.getpid()}.partial")


def remove_stale_partials(cache: Path) -> None:
    """Removes what processes of this machine that are gone left half written; another machine's may still be at it."""
    for path in cache.iterdir():
        match = _PARTIAL.fullmatch(path.name)
        if match and match["host"] == platform.node() and not _runs(int(match["process"])):
            path.unlink(missing_ok=True)


def clean(cache: Path) -> tuple[int, int]:
    """Removes the stores and what is left of unfinished ones, and the folder if nothing else is in it.

    Returns:
        How many stores there were, and how many bytes were freed.
    """
    if not cache.is_dir():
        return 0, 0
    remove_stale_partials(cache)
    stores = list(_stores(cache))
    freed = sum(path.stat().st_size for path in stores)
    for path in stores:
        path.unlink()
    if not any(cache.iterdir()):
        cache.rmdir()
    return len(stores), freed


def _stores(cache: Path) -> Iterator[Path]:
    return (path for path in cache.iterdir() if _STORE.fullmatch(path.name) and path.is_file())


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
