"""Compiles C code on the machine that runs it, and loads it."""

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import platformdirs
import torch

logger = logging.getLogger(__name__)

KERNELS = Path(__file__).with_name("kernels.c")
SWITCH = "STARGAN_FW_NATIVE"
FLAGS = ("-O2", "-std=gnu11", "-shared", "-fPIC", "-fopenmp", "-Wno-psabi")
# Keyed by the capability that torch detects, not the compiler: torch respects ATEN_CPU_CAPABILITY.
UNITS = {"AVX2": ("-mavx2", "-mfma"), "AVX512": ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma")}
COMPILE_SECONDS = 60


@cache
def library(source: Path) -> ctypes.CDLL | None:
    """Returns a C file as a library. The first use on a machine compiles it (2 s) into the user's cache.

    Returns:
        None if there is no C compiler with OpenMP, which is logged once, or if STARGAN_FW_NATIVE=0 is set.
    """
    if os.environ.get(SWITCH) == "0":
        return None
    try:
        with _folder() as folder:
            return _load(source, folder)
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("%s cannot be compiled here, so that networks are slower: %s", source.name, _reason(error))
        return None


def _load(source: Path, folder: Path) -> ctypes.CDLL:
    compiler = _compiler()
    command = [*compiler, *FLAGS, *_units()]
    made_by = [platform.machine(), repr(command), _run([*compiler, "--version"])]
    known = hashlib.sha256(b"\0".join([source.read_bytes(), *(part.encode() for part in made_by)]))
    result = folder / f"{source.stem}-{known.hexdigest()[:16]}.so"
    if result.exists():
        try:
            return ctypes.CDLL(str(result))
        except OSError:
            logger.info("%s does not load and is compiled anew.", result)
    with tempfile.TemporaryDirectory(dir=folder) as apart:
        made = Path(apart, result.name)
        _run([*command, str(source), "-o", str(made)])
        made.replace(result)  # atomic, because other processes may compile too
    return ctypes.CDLL(str(result))


def _compiler() -> list[str]:
    """Returns the command that starts the user's compiler."""
    configured = shlex.split(os.environ.get("CC", ""), posix=os.name != "nt")
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not configured and found is None:
        raise OSError("no C compiler is found.")
    return configured or [str(found)]


def _units() -> tuple[str, ...]:
    return UNITS.get(torch.backends.cpu.get_cpu_capability(), ()) if platform.machine() in ("x86_64", "AMD64") else ()


def _run(command: list[str]) -> str:
    """Runs the user's compiler, and returns what it prints."""
    return subprocess.run(  # noqa: S603 - the user's own compiler
        command,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=COMPILE_SECONDS,
    ).stdout


@contextmanager
def _folder() -> Iterator[Path]:
    """Yields the user's cache folder, or a temporary one if that is not writable, or is writable for others."""
    folder = platformdirs.user_cache_path("stargan-fw", appauthor=False)
    if _make_folder(folder) and os.access(folder, os.W_OK) and _is_private(folder):
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="stargan-fw-", ignore_cleanup_errors=True) as passing:
            yield Path(passing)


def _make_folder(folder: Path) -> bool:
    try:
        if folder.is_absolute():  # it is not absolute if the home folder is unknown
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return folder.is_absolute()


def _is_private(folder: Path) -> bool:
    """Returns whether no other user can put a library into the folder."""
    if os.name == "nt":
        return True
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"the compiler took more than {COMPILE_SECONDS} s."
    lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
