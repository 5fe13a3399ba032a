"""A time limit for a thread's work: an exception is raised in it at a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class TimeUp(BaseException):
    """The time is over; a `BaseException`, so that no handler of `Exception` catches it."""


@contextmanager
def ending_by(deadline: float) -> Iterator[None]:
    """Raise `TimeUp` in the calling thread if the ``with`` block runs past the deadline.

    The deadline is in seconds of `time.monotonic`.
    """
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
    """The state shared by timer and thread, so that nothing is raised after the work is done."""

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
            # the exception is pending, so wait for it here: cancelling it makes CPython 3.11 check
            # for it forever, and a traced function never goes on
            with suppress(TimeUp):
                for _ in range(1000):
                    time.sleep(0.001)


def _raise_in(thread: int, error: type[BaseException]) -> None:
    import ctypes  # slow to import, so only when it is needed

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
