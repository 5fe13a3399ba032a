"""The parent's side of the smoke-run: it starts the worker process, and asks it."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, NoReturn

from msgspec import to_builtins
from msgspec.structs import asdict

from ..analysis.memory import available, shown
from ..diagnostics.diagnostics import Diagnostic, Location, NetgenError, listed
from ..ir.levels import DEFAULT_LEVELS, LEAST, SHARE, TIMEOUT, Demand, Proof, Shown
from .time_limit import TimeUp, ending_by

if TYPE_CHECKING:
    import subprocess

    from ..analysis.members import Family, Member
    from ..analysis.pieces import Piece
    from ..analysis.plan import Plan
    from ..lower.context import Ask

Locate = Callable[[str], Location | None]
Progress = Callable[[str], None]
"""Is told the level that is worked on."""

MOST_NAMED = 8  # variants in a verdict
_RUNNING = b'{"running": '  # how the lines begin with which the process tells its progress
_GRACE = 0.1  # seconds, so that the limit on the process's answer is over first
_MORE_TIME = "`--timeout` gives it more time"


class Worker:
    """The worker process, which has torch; it serves all specs of a run one after the other."""

    def __init__(
        self, timeout: float = TIMEOUT, most_memory: int | None = None, threads: int = 1
    ) -> None:
        """`timeout` is in seconds for one spec, `most_memory` in bytes for the process.

        With several `threads` torch is faster where cores are free.
        """
        self.timeout = timeout
        self.most_memory = most_memory
        self.threads = threads
        self.process: subprocess.Popen[bytes] | None = None
        self.torch = ""
        self.device = ""  # the best device that torch has here
        self.answers: SimpleQueue[bytes] = SimpleQueue()
        self.folder = ""
        self.deadline: float | None = None  # the end of the time for one spec
        self.progress: Progress | None = None
        self.running = ""  # the level that the process works on, once it has told it
        self.answer: bytes | None = None  # what it has answered, until that is received
        self.closed = False

    @contextmanager
    def one_spec(self) -> Iterator[None]:
        """Make all requests inside of the ``with`` share the time limit of one spec."""
        self.deadline = time.monotonic() + self.timeout
        try:
            yield
        finally:
            self.deadline = None

    @contextmanager
    def in_time(self, what: str = "the spec was not read") -> Iterator[None]:
        """Apply the spec's time limit to the parent's own work, which must be safe to interrupt.

        Raises `NetgenError` with a message that begins with `what` when the time is over.
        """
        deadline = self.deadline or time.monotonic() + self.timeout
        try:
            with ending_by(deadline + _GRACE):
                yield
        except TimeUp:
            self.stop()  # it may be busy with a request
            message = f"{what} within {self.timeout:g} seconds"
            raise NetgenError(Diagnostic("NG402", message, help=_MORE_TIME)) from None

    def start(self, folder: str = "") -> None:
        """Start the process, which loads torch, unless it runs already.

        `folder` is where imported classes are found; empty if importing is not allowed. A process
        that was started for another folder is replaced. Raises `NetgenError` after `close`.
        """
        if folder != self.folder:
            self.stop()
            self.folder = folder
        if self.closed:
            raise NetgenError(Diagnostic("NG402", "the run was interrupted"))
        if self.process is not None:
            return
        import json
        import subprocess

        from .proofs.parent import ENDS_WITH_PARENT

        path = json.dumps(_trusted_path())
        code = f"{ENDS_WITH_PARENT}import sys; sys.path[:] = {path}\n"
        arguments = f"{self.most_memory}, {json.dumps(self.folder)}, {self.threads}"
        # no garbage collection while torch is imported
        code += f"import gc; gc.disable(); from {__package__}.worker import main; main({arguments})"
        command = [sys.executable, "-I", "-c", code]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(self.threads))
        # threads that wait for others soon sleep: on busy cores they would hold these up
        threads |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **threads},
            cwd=None if _current_folder() else "/",  # Python needs a folder that exists
        )
        self.answers, self.answer = SimpleQueue(), None
        self.listener = Thread(
            target=_listen, args=(self.process.stdout, self.answers), daemon=True
        )
        self.listener.start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; it can't be started again."""
        self.closed = True
        self.stop()

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self.process is not None:
            self.process.kill()
            self.listener.join()
            self.process.communicate()
            self.process = None
            self.torch = self.device = ""

    def prove(
        self,
        source: str,
        plan: Plan,
        demand: Demand,
        locate: Locate = lambda where: None,
        family: Family | None = None,
        variants: Sequence[Member] = (),
        pieces: Callable[[float], Sequence[Piece]] | None = None,
    ) -> tuple[Proof, ...]:
        """Run the source and compare it with the plan; raises `NetgenError` if that fails.

        There is a `Proof` for each device. `locate` gives the place in the spec of a layer's path.
        The other members of the class, its `family`, are predicted while the process is busy. All
        `variants` are compared, too. `pieces` gives the modules to run alone where the whole takes
        too much memory, and larger ones only where they can't be taken apart.
        """
        alone: Sequence[Piece] = ()
        if pieces is not None and self.takes_pieces(plan, demand):
            alone = pieces(self.room() / 2)
            self.check_pieces(plan, alone)
        elif demand.device != "meta":
            self.check_memory(plan, demand.device)
        if not demand.shows_members:
            family = None
        request = {
            "task": "prove",
            "source": source,
            "plan": plan.request(),
            "need": plan.memory.step,
            **_alone(alone),
            **asdict(demand),
        }
        answer = self.ask(request, f"`{plan.class_name}` {_need_text(plan)}", family)
        self._check(answer, answer.get("device"), plan, locate)
        for proof in answer["proofs"]:
            if variants:
                found = self._variants(source, plan, variants, demand, proof, locate)
                proof["levels"].append(found)
            if family is not None and family.total:
                found = self._members(source, plan, family, demand, proof, locate)
                proof["levels"].insert(len(DEFAULT_LEVELS), found)
        return tuple(_proof(found, self.torch, locate) for found in answer["proofs"])

    def _check(
        self, answer: Mapping[str, Any], device: str | None, plan: Plan, locate: Locate
    ) -> None:
        """Raise `NetgenError` with the failures in an answer, if there are any."""
        if answer["ok"]:
            return
        if device not in (None, "cpu", "meta"):
            self.stop()  # an error can leave a GPU unusable to the process that met it
        most = self.most_memory
        raise NetgenError(
            *(_refuted(failure, device, plan, most, locate) for failure in answer["failures"])
        )

    def _members(
        self,
        source: str,
        plan: Plan,
        family: Family,
        demand: Demand,
        proof: Mapping[str, Any],
        locate: Locate,
    ) -> dict[str, Any]:
        """The level `arguments` of a device's proof: the other members of the class, compared."""
        seconds = None if "arguments" in demand.levels else max(LEAST, SHARE * proof["seconds"])
        end = math.inf if seconds is None else time.monotonic() + seconds
        self.prepare(family, lambda: time.monotonic() > end)
        request = {
            **_about(source, plan, demand, proof, family.ready),
            "level": "arguments",
            "seconds": seconds,
        }
        answer = self.ask(request)
        self._check(answer, proof["device"], plan, locate)
        tried = f"{answer['held']} of {family.total} members of the class tried"
        found = f"{tried}: each is what `--set` gives"
        return {"level": "arguments", "seconds": answer["seconds"], "found": found}

    def _variants(
        self,
        source: str,
        plan: Plan,
        variants: Sequence[Member],
        demand: Demand,
        proof: Mapping[str, Any],
        locate: Locate,
    ) -> dict[str, Any]:
        """The level `variants` of a device's proof: all variants of the spec, compared."""
        about = _about(source, plan, demand, proof, variants)
        answer = self.ask({**about, "level": "variants", "seconds": None})
        self._check(answer, proof["device"], plan, locate)
        return {"level": "variants", "seconds": answer["seconds"], "found": _shown(variants)}

    def asker(self, folder: str, *, allowed: bool) -> Ask | None:
        """The function that answers questions about imported classes.

        ``None`` if the spec has no `folder`, or importing is not allowed.
        """
        if not (folder and allowed):
            return None
        self.start(folder)
        return self.ask

    def takes_pieces(self, plan: Plan, demand: Demand) -> bool:
        """Whether the pieces of a network are run, and not the whole: as asked for, or for room."""
        if demand.device == "meta" or not demand.can_be_piecewise:
            return False
        return demand.piecewise or self.need(plan, demand.device) > self.room()

    def room(self) -> float:
        """The bytes that the run may take; infinite where nothing tells."""
        known = [size for size in (available(), self.most_memory) if size is not None]
        return min(known, default=math.inf)

    def need(self, plan: Plan, device: str) -> int:
        """The bytes that a network takes of the machine's own memory, where its weights are made.

        This is all that it takes, if the device is the CPU.
        """
        memory = plan.memory
        if device == "auto" and memory.step > self.room():
            device = self.best_device()
        return memory.step if device in ("cpu", "auto", "all") else memory.weights

    def check_memory(self, plan: Plan, device: str) -> None:
        """Raise `NetgenError` for a network that needs more memory than there is."""
        need = self.need(plan, device)
        if need > self.room():
            help = "`--device meta` runs it without data, `--no-smoke` builds it without a run; "
            help += "the default proofs can be shown piece by piece"
            self.refuse(plan, need, _parts(plan), help)

    def check_pieces(self, plan: Plan, pieces: Sequence[Piece]) -> None:
        """Raise `NetgenError` for a network with a piece that needs more memory than there is."""
        largest = max(pieces, key=lambda piece: piece.bytes, default=None)
        if largest is not None and largest.bytes > self.room():
            piece = f"its largest piece, `{largest.path}`, needs {shown(largest.bytes)}"
            notes = (*_parts(plan), piece)
            help = "`--device meta` runs it without data, `--no-smoke` builds it without a run"
            self.refuse(plan, plan.memory.step, notes, help)

    def refuse(self, plan: Plan, need: int, notes: tuple[str, ...], help: str) -> NoReturn:
        """Raise `NetgenError` that says how much memory is missing."""
        left = "are allowed" if self.most_memory == self.room() else "are left"
        message = f"`{plan.class_name}` needs {shown(need)} of memory, "
        message += f"but {shown(int(self.room()))} {left}"
        raise NetgenError(Diagnostic("NG404", message, notes=notes, help=help))

    def best_device(self) -> str:
        """The device that ``auto`` stands for; waits until torch is loaded."""
        self.greet(self.deadline or time.monotonic() + self.timeout)
        return self.device

    def greet(self, deadline: float, need: str = "") -> None:
        """Start the process if needed, and read the line that it writes once torch is loaded."""
        self.start(self.folder)
        if not self.torch:
            greeting = self.receive(deadline, need)
            self.torch, self.device = greeting["torch"], greeting["device"]

    def ask(
        self, request: dict[str, Any], need: str = "", family: Family | None = None
    ) -> dict[str, Any]:
        """The answer to one request; raises `NetgenError` if the process crashes or is too slow.

        `need` is a text on the memory it takes. The members of a `family` are predicted while
        waiting.
        """
        deadline = self.deadline or time.monotonic() + self.timeout
        self.start(self.folder)
        if family is not None and not self.torch:
            self.prepare(family, self.has_spoken)
        self.greet(deadline, need)
        self.running = request.get("level", "")
        self.send(request, need)
        if family is not None:
            self.prepare(family, self.has_spoken)
        return self.receive(deadline, need)

    def prepare(self, family: Family, enough: Callable[[], bool]) -> None:
        """Predict members of a class until `enough()`, within the spec's time limit."""
        with self.in_time("the other members of the class were not worked out"):
            family.prepare(enough)

    def has_spoken(self) -> bool:
        """Whether the process has answered, or the time is over."""
        late = self.deadline is not None and time.monotonic() > self.deadline
        return late or self.hear(0)

    def send(self, request: dict[str, Any], need: str) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        import json

        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:  # on Windows it is no `BrokenPipeError`
            self.crashed(need)

    def hear(self, seconds: float) -> bool:
        """Wait so long for an answer; says whether there is one.

        The levels that the process begins before it are noted, and told to `progress`.
        """
        import json

        end = time.monotonic() + seconds
        while self.answer is None:
            try:
                line = self.answers.get(timeout=max(end - time.monotonic(), 0))
            except Empty:
                return False
            if line.startswith(_RUNNING):
                self.running = json.loads(line)["running"]
                if self.progress is not None:
                    self.progress(self.running)
            else:
                self.answer = line
        return True

    def receive(self, deadline: float, need: str) -> dict[str, Any]:
        """The answer of the process; raises `NetgenError` at the deadline, or after a crash."""
        import json

        if not self.hear(deadline - time.monotonic()):
            self.stop()
            message = f"the run did not end within {self.timeout:g} seconds"
            notes = (f"the proof `{self.running}` was running",) if self.running else ()
            help = f"{_MORE_TIME}, `--device meta` looks at shapes alone"
            raise NetgenError(Diagnostic("NG402", message, notes=notes, help=help))
        line, self.answer = self.answer or b"", None
        if not line.endswith(b"\n"):
            self.crashed(need)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def crashed(self, need: str) -> None:
        """Raise `NetgenError` that says how the process ended."""
        assert self.process is not None
        code = self.process.wait()
        self.stop()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        help: str | None = None
        notes: tuple[str, ...] = ()
        if code == 1:
            help = "is torch installed? `--no-smoke` builds without it"
        if code == -9:  # systems kill the largest process when no memory is left
            help = "it may have taken more memory than there is"
            notes = (need,) if need else ()
        message = f"the smoke-run's process {how}"
        raise NetgenError(Diagnostic("NG402", message, notes=notes, help=help))


def _listen(answers: IO[bytes], to: SimpleQueue[bytes]) -> None:
    """Pass on each line of a process, and an empty one at the end.

    A thread does this: nothing else waits for a pipe on Windows, too.
    """
    for line in answers:
        to.put(line)
    to.put(b"")


def _alone(pieces: Sequence[Piece]) -> dict[str, Any]:
    """What a request says of pieces: each with the number of its plan, and the different plans."""
    import json

    plans = {id(piece.plan): piece.plan.request() for piece in pieces}  # equal blocks share one
    texts = {key: json.dumps(plan) for key, plan in plans.items()}
    different = {text: number for number, text in enumerate(dict.fromkeys(texts.values()))}
    told = [{"path": x.path, "plan": different[texts[id(x.plan)]]} for x in pieces]
    return {"pieces": told, "plans": [json.loads(text) for text in different]}


def _about(
    source: str, plan: Plan, demand: Demand, proof: Mapping[str, Any], members: Sequence[Member]
) -> dict[str, Any]:
    """The request to compare members of a class on the device of a proof."""
    return {
        "task": "members",
        "source": source,
        "plan": plan.request(),
        "device": proof["device"],
        "seed": demand.seed,
        "members": [to_builtins(member) for member in members],
    }


def _shown(variants: Sequence[Member]) -> str:
    """What has been shown of variants, in words."""
    made = [x.variant for x in variants if x.factory]
    alone = [x.variant for x in variants if not x.factory]
    told = [f"{_named(made)} {_verb(made)} what `--variant` gives"] if made else []
    told += [f"{_named(alone)}, without a function, ran as predicted"] if alone else []
    return "; ".join(told)


def _named(names: Sequence[str]) -> str:
    named = [f"`{name}`" for name in names]
    if len(named) > MOST_NAMED:
        return f"{len(named)} variants"
    return listed(named)


def _verb(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _proof(found: Mapping[str, Any], torch: str, locate: Locate) -> Proof:
    levels = tuple(Shown(**level) for level in found["levels"])
    findings = tuple(
        Diagnostic(x["code"], x["message"], locate(x["where"]), (), x["help"], "warning")
        for x in found["findings"]
    )
    notes = tuple(found["notes"])
    return Proof(found["device"], found["seconds"], torch, levels, notes, found["speed"], findings)


def _refuted(
    failure: Mapping[str, Any], device: str | None, plan: Plan, most: int | None, locate: Locate
) -> Diagnostic:
    """The diagnostic for a failure of the run."""
    text, code, level = failure["finding"], failure["code"], failure["level"]
    where = locate(failure["where"])
    if code == "NG403":
        help = None if device is None else "`--device cpu` runs what any can"
        return Diagnostic(code, text, where, tuple(failure["notes"]), help)
    if code == "NG404":
        message = f"`{plan.class_name}` does not fit into the memory of {device}"
        allowed = [] if most is None else [f"`--max-memory` allows {shown(most)}, torch included"]
        notes = (text, f"`{plan.class_name}` {_need_text(plan)}", *allowed)
        return Diagnostic(code, message, where, notes, "`--device meta` runs it without data")
    run = "smoke-run" if level in (None, *DEFAULT_LEVELS) else f"proof `{level}`"
    message = f"the {run} failed on {device}: {text}"
    return Diagnostic(code, message, where, tuple(failure["notes"]))


def _trusted_path() -> list[str]:
    """The worker's `sys.path`: that of this process without the current folder."""
    here, home = _current_folder(), Path(__file__).parents[2]
    if here is None:  # relative entries are gone with the folder
        return [entry for entry in sys.path if os.path.isabs(entry)]
    folders = [Path(entry).absolute() for entry in sys.path]
    return [str(folder) for folder in folders if folder != here or folder == home]


def _current_folder() -> Path | None:
    """The current folder; ``None`` if it has been deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _parts(plan: Plan) -> tuple[str, ...]:
    memory = plan.memory
    return (
        f"weights with their gradients take {shown(memory.weights + memory.gradients)}",
        f"what training keeps of a batch of 2 takes {shown(memory.training)}",
    )


def _need_text(plan: Plan) -> str:
    """The least memory that a run needs, in words."""
    total = plan.memory.step
    return f"needs {shown(total)} or more: {', '.join(_parts(plan))}"
