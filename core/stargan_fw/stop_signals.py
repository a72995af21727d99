"""What the program and a training do when SIGINT, SIGTERM or SIGHUP asks them to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
# torchrun passes signals on to processes that have them from the terminal already: within this time they are one request.
SECONDS_OF_ONE_REQUEST = 2.0 if "TORCHELASTIC_RUN_ID" in os.environ else 0.0
SHOW_CURSOR = "\x1b[?25h\n"  # a progress bar hides the cursor


class Stopped(BaseException):
    """A signal has stopped the program. Not an Exception, so that nothing that handles errors takes it for one.

    Args:
        number: the signal.

    Attributes:
        exit_code: the program's, 128 + the signal: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"Stopped by {signal.Signals(number).name}.")
        self.exit_code = 128 + number


class StopRequest:
    """Whether a signal has asked to stop; `number` is the signal, or None."""

    def __init__(self) -> None:
        self.number: int | None = None


@contextmanager
def stop_program() -> Iterator[StopRequest]:
    """Lets the first signal within the block raise Stopped, and a second one end the process at once, also after the block.

    Yields:
        The request: C code may turn Stopped into another error.
    """
    request = StopRequest()

    def handle(number: int, _: FrameType | None) -> None:
        if request.number is not None:
            cursor = SHOW_CURSOR if os.isatty(2) else ""
            os.write(2, f"{cursor}Ended at once by {signal.Signals(number).name}.\n".encode())
            os._exit(128 + number)
        request.number = number
        raise Stopped(number)

    with _handling(handle) as earlier:
        try:
            yield request
        finally:
            if request.number is not None:  # the process is about to end, which may take seconds
                earlier.update(dict.fromkeys(earlier, handle))


@contextmanager
def defer_signals() -> Iterator[StopRequest]:
    """Notes a signal within the block, and leaves the signal to the earlier handler after the block.

    A second signal goes to the earlier handler at once. Only a main thread can handle signals: in another thread, the
    request stays empty.

    Yields:
        The request, which the block must look at and obey.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    noted = 0.0

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal noted
        if request.number is None:
            request.number, noted = number, time.monotonic()
        elif time.monotonic() - noted >= SECONDS_OF_ONE_REQUEST:
            signal.signal(number, earlier[number])
            signal.raise_signal(number)

    with _handling(handle) as earlier:
        yield request
    if request.number is not None:
        signal.raise_signal(request.number)


@contextmanager
def _handling(handle: Callable[[int, FrameType | None], None]) -> Iterator[dict[int, Any]]:
    """Handles the signals within the block, but for those ignored, as by `nohup`, or handled outside Python; yields earlier handlers."""
    earlier = {number: signal.getsignal(number) for number in NUMBERS}
    earlier = {number: handler for number, handler in earlier.items() if handler not in {None, signal.SIG_IGN}}
    for number in earlier:
        signal.signal(number, handle)
    try:
        yield earlier
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
