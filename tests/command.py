"""The command line: in this process, or as a process of its own where that is what is tested."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

from torch_netgen.cli.cli import main

Ran = subprocess.CompletedProcess[str]


def netgen(*args: object, cwd: Path, stdin: str = "", **env: str) -> Ran:
    """Run `netgen` in this process, with streams of its own; a run of a network takes the worker
    that all tests share.
    """
    words = [*map(str, args)]
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    out, err = _stream(), _stream()
    with (
        contextlib.chdir(cwd),
        patch.dict(os.environ, env),
        patch.object(sys, "stdin", given),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main(words)
        except SystemExit as end:  # argparse's, after help or wrong usage
            code = int(end.code or 0)
    return Ran(words, code, _text(out), _text(err))


def process(*args: object, cwd: Path, stdin: str = "", **env: str) -> Ran:
    """Run `netgen` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "torch_netgen", *map(str, args)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    data = stream.buffer
    assert isinstance(data, io.BytesIO)
    return data.getvalue().decode()
