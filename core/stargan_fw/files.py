"""Writes files and folders whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from stargan_fw.errors import RequestError, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MOST_CONTAINERS = 1_000_000  # of a JSON file
WINDOWS = os.name == "nt"


@contextmanager
def replacing(target: Path, *, flush: bool = False) -> Iterator[Path]:
    """Yields a free path beside `target`. The file or folder that the caller makes there then replaces the target.

    Missing parents of the target are made. If the caller raises, the target stays unchanged. If the process is killed, the
    target is whole or absent; a `.<name>.<random>.partial` may be left beside it.

    Args:
        target: a file or a folder, which may exist.
        flush: whether to wait until everything is on the disk, so that even a power cut leaves no partial target.
    """
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _free_name(target)
    try:
        yield partial
        if flush:
            for path in (*(partial.rglob("*") if partial.is_dir() else ()), partial):
                _flush(path)
        if target.is_dir():
            remove(target)
        partial.replace(target)
        if flush:
            _flush(target.parent)
    except OSError as error:
        if error.filename == str(partial):  # which the user has never heard of
            error.filename = str(target)
        raise
    finally:
        _discard(partial)


def check_writable(folder: Path, remedy: str = "Name another folder with --out.") -> None:
    """Raises RequestError if no file can be made in a folder, or in the folder above those that are still to be made.

    Call it before the work whose result goes there.
    """
    found = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    try:
        if not os.access(found, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with TemporaryFile(dir=found):  # `access` allows root everything
            return
    except OSError as error:
        why = f"cannot be written to: {why_unreadable(error)}" if found.is_dir() else "is a file"
        raise RequestError(f"'{found}' {why}. {remedy}") from None


def write_text(target: Path, text: str) -> None:
    """Writes a text file whole or not at all, in UTF-8 and with the same bytes on every system."""
    with replacing(target) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def check_format(document: Mapping[str, Any], newest: int, path: Path) -> int:
    """Returns the format version of a document, its "format"; 1 if it has none.

    Args:
        document: what the file holds.
        newest: the newest format that the caller reads.
        path: the file, for the message.

    Raises:
        RunError: a newer program has written the file. The message says how to get that program.
        ValueError: the version is no number.
    """
    version, made_with = document.get("format", 1), str(document.get("made_with", ""))
    if type(version) is not int or version < 1:
        raise ValueError("its format is no version number")
    if version <= newest:
        return version
    release = re.fullmatch(r"stargan-fw (\d+(\.\d+){0,3})", made_with)
    package = f"'stargan-fw>={release[1]}'" if release else "stargan-fw"
    raise RunError(
        f"'{path}' has format {version}, which a newer stargan-fw wrote; this one reads up to format {newest}. "
        f"Install that one: pip install --upgrade {package}"
    )


def read_text(path: Path, largest: int) -> str:
    """Reads a text file that may come from anybody.

    Args:
        path: the file. A pipe, which would wait for somebody to write, and a device are refused as a folder is.
        largest: the most bytes that such a file has.

    Raises:
        OSError: the file cannot be read, is larger, or is none.
        UnicodeDecodeError: the file is not in UTF-8.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise OSError(errno.EFBIG, f"it is larger than {largest / 2**20:g} MiB", str(path))
    return content.decode()


def read_json(path: Path, largest: int) -> Any:
    """Reads a JSON file that may come from anybody; NaN and infinity are none of JSON.

    Raises:
        OSError: as `read_text` does.
        ValueError: the file is not JSON in UTF-8, or has more than a million lists and objects, each of which takes memory.
    """
    text = read_text(path, largest)
    if text.count("[") + text.count("{") > MOST_CONTAINERS:
        raise ValueError("it has too many lists and objects")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("lists and objects are inside of each other too often") from None


def why_unreadable(error: OSError) -> str:
    """Returns why a file cannot be read or written, without its name."""
    return error.strerror or str(error)


def _open_at_once(path: str, flags: int) -> int:
    """Opens a file without waiting, as for the writer of a pipe, and nothing else than a file."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file", path)
    return descriptor


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")


def remove(path: Path) -> None:
    """Removes a file or folder. It is renamed first, so that nobody ever finds a part of a folder."""
    doomed = path.rename(_free_name(path))
    _discard(doomed)


def _free_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Waits until a file, or a folder's list of names, is on the disk: a rename may get there before the renamed data."""
    if WINDOWS and path.is_dir():  # Windows opens no folders
        return
    descriptor = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)  # Windows flushes only files open for writing
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
