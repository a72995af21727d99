"""How a process that computes treats memory and waits: set before torch is imported, which reads it then."""

import ctypes
import os
import sys

VARIABLE = "STARGAN_FW_KEEP_MEMORY"
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # which torch reads: blocks of 2 MB and more ask for pages of 2 MB
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # of malloc.h
# Blocks of up to 32 MB, the most that glibc takes here, stay with the process. Larger ones go back, as they would
# otherwise lie between others and add to the memory that is needed.
KEPT = {MMAP_THRESHOLD: 2**25, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**26}
# Turns, a few microseconds, that a thread looks whether the others are done before it sleeps. By itself OpenMP looks for
# milliseconds: on a processor that others use too, that keeps them from the work that is waited for. Beside a training of
# as many threads a small generator took 2 to 10 times as long.
TURNS = "2000"


def prepare_process() -> None:
    """Does what follows; call it before torch is imported."""
    keep_freed_memory()
    wait_briefly()


def keep_freed_memory() -> bool:
    """Has the C library keep what is freed, and torch ask for huge pages.

    glibc gives large blocks back to the system as they are freed and asks for them again, whose pages of 4 kB the kernel
    then clears one by one: in a training step on a processor, whose tensors have tens of megabytes, that takes longer than
    the arithmetic of everything but the convolutions.

    Returns:
        Whether it could be told: there is glibc, and the environment variable STARGAN_FW_KEEP_MEMORY is not 0.
    """
    if not sys.platform.startswith("linux") or os.environ.get(VARIABLE) == "0":
        return False
    os.environ.setdefault(HUGE_PAGES, "1")
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    done = [library.mallopt(parameter, value) for parameter, value in KEPT.items()]
    return all(done)


def wait_briefly() -> None:
    """Has OpenMP's threads sleep soon while they wait for each other, unless the environment says how to wait."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", TURNS)
