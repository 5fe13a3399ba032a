"""The smoke-run, seen from the parent: a worker process that loads torch while others work."""

from __future__ import annotations

import dataclasses
import json
import os
import selectors
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .diagnostics import Diagnostic, NetgenError

if TYPE_CHECKING:
    from .plan import Plan

# Linux then kills the worker with its parent, whatever either is doing
_ENDS_WITH_PARENT = """\
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
except (AttributeError, ImportError, OSError):
    pass
"""
TIMEOUT = 600.0  # seconds for one spec, the loading of torch included


@dataclass(frozen=True, slots=True)
class Proof:
    """What the smoke-run showed, where, and how long it took in seconds."""

    device: str
    seconds: float
    torch: str
    notes: tuple[str, ...] = ()


class Worker:
    """A process that has torch; it serves all specs of a run, one after the other."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout
        self.process: subprocess.Popen[bytes] | None = None
        self.torch = ""
        self.pending = b""

    def start(self) -> None:
        """Begin to load torch, unless that is under way."""
        if self.process is not None:
            return
        path = json.dumps(_trusted_path())
        code = f"{_ENDS_WITH_PARENT}import sys; sys.path[:] = {path}\n"
        code += f"from {__package__}.worker import main; main()"
        command = [sys.executable, "-I", "-c", code]
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **threads},
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None
            self.torch, self.pending = "", b""

    def prove(self, source: str, plan: Plan, device: str, seed: int) -> Proof:
        """Hold the plan against the source, run for real; raises `NetgenError` if it fails."""
        if device != "meta":
            _check_memory(plan)
        self.start()
        deadline = time.monotonic() + self.timeout
        request = {
            "source": source,
            "plan": dataclasses.asdict(plan),
            "device": device,
            "seed": seed,
        }
        if not self.torch:
            self.torch = str(self.receive(deadline)["torch"])
        self.send(request)
        answer = self.receive(deadline)
        if not answer["ok"]:
            code = "NG403" if answer["device"] is None else "NG401"
            where = f" on {answer['device']}" if answer["device"] else ""
            text = answer["finding"]
            raise NetgenError(
                Diagnostic(code, f"the smoke-run failed{where}: {text}" if where else text)
            )
        return Proof(answer["device"], answer["seconds"], self.torch, tuple(answer["notes"]))

    def send(self, request: dict[str, Any]) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.crashed()

    def receive(self, deadline: float) -> dict[str, Any]:
        """The next line of the worker; refuses to wait for ever."""
        assert self.process is not None
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.pending:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    self.stop()
                    message = f"the smoke-run did not end within {self.timeout:g} seconds"
                    raise NetgenError(Diagnostic("NG402", message))
                chunk = os.read(self.process.stdout.fileno(), 1 << 16)
                if not chunk:
                    self.crashed()
                self.pending += chunk
        line, _, self.pending = self.pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def crashed(self) -> None:
        """The worker is gone: say how it ended."""
        assert self.process is not None
        code = self.process.wait()
        self.stop()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        help = None
        if code == 1:
            help = "is torch installed? `--no-smoke` builds without it"
        message = f"the smoke-run's process {how}"
        raise NetgenError(Diagnostic("NG402", message, help=help))


def _trusted_path() -> list[str]:
    """Where the worker finds modules: where we do, but not in the current folder."""
    here, home = Path.cwd(), Path(__file__).parent.parent
    folders = [Path(entry).absolute() for entry in sys.path]
    return [str(folder) for folder in folders if folder != here or folder == home]


def _check_memory(plan: Plan) -> None:
    """Refuse a network that takes more memory than there is, before it is taken."""
    from .memory import available, shown

    there, need = available(), plan.need
    total = need.weights + need.activations
    if there is None or total <= there:
        return
    message = f"`{plan.class_name}` needs {shown(total)} of memory, but {shown(there)} are left"
    parts = (
        f"weights with their gradients take {shown(need.weights)}",
        f"the activations of a batch of 2 take {shown(need.activations)}",
    )
    help = "`--device meta` runs it without data, `--no-smoke` builds it without a run"
    raise NetgenError(Diagnostic("NG404", message, notes=parts, help=help))
