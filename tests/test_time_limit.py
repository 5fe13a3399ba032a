"""Work that ends in time, and what is left of the limit when it has ended."""

from __future__ import annotations

import sys
import threading
import time

import pytest
from torch_netgen.run.time_limit import TimeUp, ending_by


def test_work_that_goes_on_is_ended() -> None:
    def endless() -> None:
        with ending_by(time.monotonic() + 0.05):
            while True:
                time.sleep(0.001)

    with pytest.raises(TimeUp):
        endless()


def test_a_limit_that_comes_as_the_work_ends_leaves_nothing_behind() -> None:
    """What is traced afterwards goes on: no signal is left that nobody takes."""
    for _ in range(50):
        try:
            with ending_by(time.monotonic()):
                pass
        except TimeUp:
            continue
    steps: list[str] = []
    before = sys.gettrace()
    sys.settrace(lambda frame, event, value: steps.append(event))
    try:
        threading.Event().is_set()
    finally:
        sys.settrace(before)
    assert "call" in steps
