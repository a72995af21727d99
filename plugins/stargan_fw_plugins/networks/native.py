"""The layers' C, compiled on the machine that runs it."""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

logger = logging.getLogger(__name__)

KERNELS = Path(__file__).with_name("kernels.c")
VARIABLE = "STARGAN_FW_NATIVE"
FLAGS = ("-O2", "-std=gnu11", "-shared", "-fPIC", "-fopenmp", "-Wno-psabi")
# What torch found that the processor has, rather than the compiler's own look: it heeds ATEN_CPU_CAPABILITY.
UNITS = {"AVX2": ("-mavx2", "-mfma"), "AVX512": ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma")}
SECONDS = 60


def available() -> bool:
    """Says whether the layers' C can be used here, for fp32 on a processor."""
    return library(KERNELS) is not None


def kernels() -> ctypes.CDLL:
    """Returns the layers' C, which must be available."""
    found = library(KERNELS)
    assert found is not None
    return found


@cache
def library(source: Path) -> ctypes.CDLL | None:
    """Returns a C file as a library, compiled at the first use on a machine (2 s) and kept in the user's cache.

    Returns:
        None where there is no C compiler with OpenMP, as a log message says once, or where the environment variable
        STARGAN_FW_NATIVE is 0.
    """
    if os.environ.get(VARIABLE) == "0":
        return None
    try:
        return ctypes.CDLL(str(_compiled(source)))
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("No C compiler with OpenMP works here, so that training is slower: %s", _said(error))
        return None


def _compiled(source: Path) -> Path:
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise OSError("none is found")
    units = UNITS.get(torch.backends.cpu.get_cpu_capability(), ()) if platform.machine() in ("x86_64", "AMD64") else ()
    command = [*compiler.split(), *FLAGS, *units]
    known = hashlib.sha256("\0".join([source.read_text(), platform.machine(), *command]).encode()).hexdigest()
    result = _folder() / f"{source.stem}-{known[:16]}.so"
    if not result.exists():
        with tempfile.TemporaryDirectory(dir=result.parent) as folder:
            made = Path(folder, result.name)
            given = [*command, str(source), "-o", str(made)]
            subprocess.run(given, check=True, capture_output=True, text=True, timeout=SECONDS)  # noqa: S603 - the user's own compiler
            made.replace(result)  # at once, as other processes may be doing the same
    return result


def _folder() -> Path:
    """The user's cache, or a folder for this process where that cannot be written."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "stargan-fw"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="stargan-fw-"))
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="stargan-fw-"))


def _said(error: Exception) -> str:
    lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
