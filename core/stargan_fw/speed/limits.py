"""What the machine can do at most, measured: the rate of matrix products and of copies."""

import time
from collections.abc import Callable

import torch

REPEATS = 7


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Returns floating-point operations a second of a large square matrix product, the best of a few."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / _shortest(lambda: a @ b, device)


def copy_bandwidth(device: torch.device) -> float:
    """Returns bytes a second read and written together by copying 256 MB, the best of a few."""
    source = torch.zeros(2**26, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _shortest(lambda: target.copy_(source), device)


def wait_for(device: torch.device) -> None:
    """Waits until the device has done what it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _shortest(work: Callable[[], object], device: torch.device) -> float:
    work()
    seconds = []
    for _ in range(REPEATS):
        wait_for(device)
        start = time.perf_counter()
        work()
        wait_for(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds)
