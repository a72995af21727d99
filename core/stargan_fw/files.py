"""Writes files and folders whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from stargan_fw.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

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
    finally:
        _discard(partial)


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
