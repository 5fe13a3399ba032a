"""The server's side of a process that answers."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec import json

from ..run.proofs.parent import ENDS_WITH_PARENT
from .asked import Asked

LONGEST_ANSWER = 1 << 28  # bytes
Heard = Callable[[str], None]


class Gone(Exception):
    """The process has ended, or was ended for its time, before it answered."""


class Answering:
    """A process of a role; it is started when it is needed, and again after it has ended."""

    def __init__(self, role: str, timeout: float) -> None:
        """`timeout` is in seconds for one answer."""
        self.role, self.timeout = role, timeout
        self.process: Process | None = None
        self.turn = asyncio.Lock()  # one request at a time

    async def start(self) -> Process:
        """The process, which reads netgen's modules while it is not asked anything."""
        if self.process is None or self.process.returncode is not None:
            code = f"{ENDS_WITH_PARENT}from {__package__}.child import main; main({self.role!r})"
            command = [sys.executable, "-P", "-c", code]  # and no module of the current folder
            self.process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=LONGEST_ANSWER
            )
        return self.process

    async def ask(self, name: str, asked: Asked, heard: Heard = lambda said: None) -> Any:
        """The answer to a request; what is said before it is `heard`. Raises `Gone`.

        Who does not wait for the answer ends the process.
        """
        async with self.turn:
            answered = False
            try:
                async with asyncio.timeout(self.timeout):
                    process = await self.start()
                    assert process.stdin is not None
                    assert process.stdout is not None
                    process.stdin.write(name.encode() + b" " + json.encode(asked) + b"\n")
                    await process.stdin.drain()
                    while line := await process.stdout.readline():
                        told = json.decode(line)
                        if "answer" in told:
                            answered = True
                            return told["answer"]
                        heard(told["said"])
                    raise Gone
            except (TimeoutError, ConnectionError):
                raise Gone from None
            finally:
                if not answered:
                    await self.stop()

    async def stop(self) -> None:
        """End the process, whatever it is doing."""
        process, self.process = self.process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
