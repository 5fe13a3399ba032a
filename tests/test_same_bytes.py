"""The same spec gives the same bytes, however Python's hashes fall."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .conftest import BAD, CONFIGS, ROOT, SPECS, STARTERS
from .deep import DEEP

pytestmark = pytest.mark.slow

SEEDS = ("0", "1", "2")


def test_the_same_input_gives_the_same_bytes() -> None:
    """Sources, tables, pictures and messages: sets are gone through in another order each time."""
    command = [sys.executable, "-m", "tests.same_bytes"]
    runs = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in SEEDS
    ]
    first, *others = [run.communicate()[0].splitlines() for run in runs]
    assert not any(run.returncode for run in runs)
    assert len(first) >= len([*CONFIGS, *STARTERS, *SPECS, *BAD]) - len(DEEP)
    for other in others:
        assert other == first
