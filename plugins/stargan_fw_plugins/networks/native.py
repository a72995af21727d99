"""The layers' C, compiled on the machine that runs it."""

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

import torch

logger = logging.getLogger(__name__)

KERNELS = Path(__file__).with_name("kernels.c")
LINE = 16  # channels or columns that it computes together
SWITCH = "STARGAN_FW_NATIVE"
FLAGS = ("-O2", "-std=gnu11", "-shared", "-fPIC", "-fopenmp", "-Wno-psabi")
# What torch found that the processor has, rather than the compiler's own look: it heeds ATEN_CPU_CAPABILITY.
UNITS = {"AVX2": ("-mavx2", "-mfma"), "AVX512": ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma")}
COMPILE_SECONDS = 60


def available() -> bool:
    """Says whether the layers' C can be used here, for fp32 on a processor."""
    return library(KERNELS) is not None


def kernels() -> ctypes.CDLL:
    """Returns the layers' C.

    Raises:
        RuntimeError: it is not available.
    """
    found = library(KERNELS)
    if found is None:
        raise RuntimeError(f"{KERNELS.name} cannot be used here: ask `available` first.")
    return found


@cache
def library(source: Path) -> ctypes.CDLL | None:
    """Returns a C file as a library, compiled at the first use on a machine (2 s) and kept in the user's cache.

    Returns:
        None where there is no C compiler with OpenMP, as a log message says once, or where the environment variable
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
    command = _command()
    known = hashlib.sha256(b"\0".join([source.read_bytes(), platform.machine().encode(), repr(command).encode()]))
    result = folder / f"{source.stem}-{known.hexdigest()[:16]}.so"
    if result.exists():
        try:
            return ctypes.CDLL(str(result))
        except OSError:
            logger.info("%s does not load and is compiled anew.", result)
    with tempfile.TemporaryDirectory(dir=folder) as apart:
        made = Path(apart, result.name)
        given = [*command, str(source), "-o", str(made)]
        subprocess.run(  # noqa: S603 - the user's own compiler
            given,
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=COMPILE_SECONDS,
        )
        made.replace(result)  # at once, as other processes may be doing the same
    return ctypes.CDLL(str(result))


def _command() -> list[str]:
    asked = shlex.split(os.environ.get("CC", ""), posix=os.name != "nt")
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not asked and found is None:
        raise OSError("no C compiler is found.")
    units = UNITS.get(torch.backends.cpu.get_cpu_capability(), ()) if platform.machine() in ("x86_64", "AMD64") else ()
    return [*(asked or [str(found)]), *FLAGS, *units]


@contextmanager
def _folder() -> Iterator[Path]:
    """The user's cache; where that cannot be written, or others can, a folder that is removed once all is loaded."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "stargan-fw"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter where nobody knows the user's home
        folder = None
    if folder and os.access(folder, os.W_OK) and _ours_alone(folder):
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="stargan-fw-", ignore_cleanup_errors=True) as passing:
            yield Path(passing)


def _ours_alone(folder: Path) -> bool:
    """Says whether nobody else can put a library there to be loaded."""
    if os.name == "nt":
        return True
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _said(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"the compiler took more than {COMPILE_SECONDS} s."
    lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
