"""The most memory that something takes."""

import gc
from collections.abc import Callable
from pathlib import Path

import torch

STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_bytes(work: Callable[[], object], device: torch.device) -> int | None:
    """Runs `work` and returns the most bytes that were in use meanwhile.

    On a GPU what torch had allocated; on a processor what the process had resident, weights and libraries included.
    None where the system does not say (anything but Linux).
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return int(torch.cuda.max_memory_allocated(device))
    if device.type != "cpu" or not REFERENCES.exists():
        work()
        return None
    REFERENCES.write_text("5", encoding="ascii")  # the high-water mark starts again from here
    work()
    line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
