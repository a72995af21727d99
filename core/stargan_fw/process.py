"""Memory and thread settings of a computing process. Apply them before importing torch, which reads them on import."""

import ctypes
import os
import sys

VARIABLE = "STARGAN_FW_KEEP_MEMORY"
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # read by torch: blocks of 2 MB and more ask for pages of 2 MB
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # from malloc.h
# The process keeps freed blocks of up to 32 MB, glibc's limit for this setting; larger ones would fragment memory.
MALLOC_SETTINGS = {MMAP_THRESHOLD: 2**25, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**26}
# Spins before an idle OpenMP thread sleeps: a few microseconds; libgomp's default of milliseconds starves others on a shared machine.
SPIN_COUNT = "2000"


def prepare_process() -> None:
    """Applies both settings. Call it before importing torch."""
    keep_freed_memory()
    wait_briefly()


def keep_freed_memory() -> bool:
    """Makes glibc keep freed memory, and torch ask for huge pages.

    Otherwise the kernel clears pages that glibc has returned and asks for again, which takes longer in a training step on a CPU than all
    arithmetic but the convolutions.

    Returns True if glibc accepted the settings; False without glibc, or if STARGAN_FW_KEEP_MEMORY=0 is set.
    """
    if not sys.platform.startswith("linux") or os.environ.get(VARIABLE) == "0":
        return False
    os.environ.setdefault(HUGE_PAGES, "1")
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    accepted = [library.mallopt(parameter, value) for parameter, value in MALLOC_SETTINGS.items()]
    return all(accepted)


def wait_briefly() -> None:
    """Lets waiting OpenMP threads sleep soon, unless environment variables already set how they wait."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
