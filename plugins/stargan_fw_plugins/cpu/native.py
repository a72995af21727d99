"""C code that is compiled on the machine that runs it."""

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
# What torch found that the processor has, rather than the compiler's own look: it heeds ATEN_CPU_CAPABILITY.
UNITS = {"AVX2": ("-mavx2", "-mfma"), "AVX512": ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma")}
COMPILE_SECONDS = 60


@cache
def library(source: Path) -> ctypes.CDLL | None:
    """Returns a C file as a library, compiled at the first use on a machine (2 s) and kept in the user's cache.

    Returns:
        None if there is no C compiler with OpenMP, as a log message says once, or if the environment variable
        STARGAN_FW_NATIVE is 0.
    """
    if os.environ.get(SWITCH) == "0":
        return None
    try:
        with _folder() as folder:
            return _loaded(source, folder)
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("%s cannot be compiled here, so that networks are slower: %s", source.name, _said(error))
        return None


def _loaded(source: Path, folder: Path) -> ctypes.CDLL:
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
        made.replace(result)  # at once, as other processes may be doing the same
    return ctypes.CDLL(str(result))


def _compiler() -> list[str]:
    """Returns the command that starts the user's compiler."""
    asked = shlex.split(os.environ.get("CC", ""), posix=os.name != "nt")
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not asked and found is None:
        raise OSError("no C compiler is found.")
    return asked or [str(found)]


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
    """Lends the user's cache; if that cannot be written, or others can, a folder that is removed once all is loaded."""
    folder = platformdirs.user_cache_path("stargan-fw", appauthor=False)
    if _made(folder) and os.access(folder, os.W_OK) and _ours_alone(folder):
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="stargan-fw-", ignore_cleanup_errors=True) as passing:
            yield Path(passing)


def _made(folder: Path) -> bool:
    try:
        if folder.is_absolute():  # it is not if nobody knows the user's home
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return folder.is_absolute()


def _ours_alone(folder: Path) -> bool:
    """Returns whether nobody else can put a library there to be loaded."""
    if os.name == "nt":
        return True
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _said(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"the compiler took more than {COMPILE_SECONDS} s."
    lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
