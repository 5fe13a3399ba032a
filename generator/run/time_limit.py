"""Work that ends in time: an exception for a thread that goes on for too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class TimeUp(BaseException):
    """The time is over; no handler of mistakes takes this for one."""


@contextmanager
def ending_by(deadline: float) -> Iterator[None]:
    """What is done in it, in whatever thread, raises `TimeUp` where it goes on after a deadline."""
    limit = _Limit(threading.get_ident())
    timer = threading.Timer(max(deadline - time.monotonic(), 0), limit.end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except TimeUp:
        limit.arrived = True
        raise
    finally:
        timer.cancel()
        limit.lift()


class _Limit:
    """Between the timer and the thread that it ends: nothing is raised after the work is done."""

    def __init__(self, thread: int) -> None:
        self.thread = thread
        self.lock = threading.Lock()
        self.raised = self.lifted = self.arrived = False

    def end(self) -> None:
        with self.lock:
            if not self.lifted:
                self.raised = True
                _raise_in(self.thread, TimeUp)

    def lift(self) -> None:
        with self.lock:
            self.lifted = True
        if self.raised and not self.arrived:
            # it is on its way, and is let come: CPython 3.11, told to take it back, looks for it
            # for good, and a function that is traced never goes on
            with suppress(TimeUp):
                for _ in range(1000):
                    time.sleep(0.001)


def _raise_in(thread: int, error: type[BaseException]) -> None:
    import ctypes  # only what is late waits for it

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
