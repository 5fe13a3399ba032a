"""The worker process of the smoke-run: it loads torch, runs networks and checks predictions.

It reads one JSON request a line from standard input and answers with one JSON line each. It is
started isolated, so it imports nothing from the current folder.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from ..analysis.memory import available
from ..ir.levels import DEFAULT_LEVELS
from ..version import TORCH
from .proofs import custom, exchange
from .proofs.arithmetic import compute_exactly
from .proofs.devices import (
    MissingDevice,
    check_usable,
    find_devices,
    is_lacking,
    is_lost,
    is_out_of_memory,
    leave,
)
from .proofs.distributed import ddp, fsdp
from .proofs.evaluation import evaluate, forward
from .proofs.gradients import backward
from .proofs.learning import learn
from .proofs.members import hold_members
from .proofs.parent import end_with_parent, requests
from .proofs.pieces import in_pieces
from .proofs.precision import dtype
from .proofs.speed import measure
from .proofs.subject import FILE, Disproof, Subject, reread, subject_of

PROOFS: Mapping[str, Callable[[Subject], str]] = {
    "forward": forward,
    "backward": backward,
    "eval": evaluate,
    "learn": learn,
    "dtype": dtype,
    "export": exchange.export,
    "compile": exchange.compiled,
    "onnx": exchange.onnx,
    "script": exchange.script,
    "ddp": ddp,
    "fsdp": fsdp,
}


Task = Callable[[Mapping[str, Any]], dict[str, Any]]


def main(most_memory: int | None = None, folder: str = "", threads: int = 1) -> None:
    """Answer requests until standard input ends.

    `most_memory` is in bytes. `folder`, if there is one, goes to the end of `sys.path`: modules in
    it can't replace installed ones. torch computes with so many `threads`.
    """
    gc.freeze()  # the objects of torch's modules need not be looked at again
    gc.enable()
    if folder:
        sys.path.append(folder)
    torch.set_num_threads(threads)
    compute_exactly()
    end_with_parent()
    warnings.simplefilter("ignore")
    greeting = {"torch": torch.__version__, "device": find_devices("auto")[0]}
    if most_memory is not None:
        limit_memory(most_memory)
    # what the network prints must not be taken for an answer
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(what: Mapping[str, Any]) -> None:
        print(json.dumps(what), file=answers, flush=True)

    say(greeting)
    for line in requests(sys.stdin):
        request = json.loads(line)
        say(TASKS[request["task"]]({**request, "say": say}))


def ask(question: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Task:
    """A task that runs code of an imported class; an error in it becomes the answer."""

    def asked(request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return question(request)
        except custom.Unusable as unusable:
            return {"ok": False, "finding": str(unusable)}
        except (Exception, SystemExit) as error:
            lines = str(error).strip().split("\n")
            return {"ok": False, "finding": f"{type(error).__name__}: {lines[0][:300]}"}

    return asked


def limit_memory(most: int) -> None:
    """Make allocations beyond so many bytes fail, where the system supports that."""
    if sys.platform != "win32":
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a request to prove: ``ok`` with a proof for each device, or the failures."""
    proofs: list[dict[str, Any]] = []
    try:
        devices = find_devices(request["device"])
    except MissingDevice as missing:
        return {"ok": False, "device": None, "failures": [_failure(missing, None, "")]}
    for device in devices:
        found = prove(request, device)
        leave(device)
        if request["device"] == "auto" and not found["ok"]:
            found = _on_cpu(request, found)
        if not found["ok"]:
            return found
        proofs.append(found)
    return {"ok": True, "proofs": proofs}


def _on_cpu(request: Mapping[str, Any], failed: dict[str, Any]) -> dict[str, Any]:
    """The CPU's proof of a network that the best device lacks operations for; else the failure."""
    lacking = failed["failures"][0]
    left = available()
    if lacking["code"] != "NG403" or (left is not None and request.get("need", 0) > left):
        return failed
    found = prove(request, "cpu")
    if found["ok"]:
        found["notes"].append(lacking["finding"])
    return found


def prove(request: Mapping[str, Any], device: str) -> dict[str, Any]:
    """The proof of a network on one device: its levels, and measurements if asked for."""
    begun = time.perf_counter()
    if request.get("pieces"):
        return _prove_in_pieces(request, device)
    try:
        check_usable(device)
        subject = subject_of(request, device)
    except Exception as error:
        return {"ok": False, "device": device, "failures": [_failure(error, None, device)]}
    levels = ["forward"] if device == "meta" else request["levels"]
    shown, failures = _show(subject, levels, request.get("say"))
    asked = sum(level["seconds"] for level in shown if level["level"] not in DEFAULT_LEVELS)
    seconds = time.perf_counter() - begun - asked  # each level that was asked for tells its own
    speed = None
    if request["timed"] and not failures:
        try:
            speed = measure(subject)
        except Exception as error:  # such as too little memory, though a run had enough
            failures.append(_failure(error, None, device))
    if failures:
        return {"ok": False, "device": device, "failures": failures}
    facts = {"levels": shown, "notes": subject.notes, "findings": subject.findings, "speed": speed}
    return {"ok": True, "device": device, "seconds": seconds, **facts}


def _prove_in_pieces(request: Mapping[str, Any], device: str) -> dict[str, Any]:
    """The proof of a network on one device, each of its pieces alone."""
    begun = time.perf_counter()
    if request.get("say") is not None:
        request["say"]({"running": "forward"})
    try:
        check_usable(device)
        found = in_pieces(request, device)
    except Exception as error:
        return {"ok": False, "device": device, "failures": [_failure(error, None, device)]}
    seconds = time.perf_counter() - begun
    return {"ok": True, "device": device, "seconds": seconds, **found, "speed": None}


Found = list[dict[str, Any]]
# what Python says where another torch has no such argument or class
_LACKING = r"unexpected keyword argument|^module 'torch[\w.]*' has no attribute"


def _show(
    subject: Subject, levels: Sequence[str], say: Callable[[Mapping[str, Any]], None] | None
) -> tuple[Found, Found]:
    """What each level showed, and the failures; before each one `say` is told its name.

    After a failed level the others are still tried, unless a default one failed.
    """
    shown: Found = []
    failures: Found = []
    for level in (level for level in levels if level in PROOFS):
        start = time.perf_counter()
        if say is not None:
            say({"running": level})
        try:
            found = PROOFS[level](subject)
        except Exception as error:
            failures.append(_failure(error, level, subject.device))
            if level in DEFAULT_LEVELS or is_lost(subject.device):
                break  # the network does not run, or the device is lost
            continue
        shown.append({"level": level, "seconds": time.perf_counter() - start, "found": found})
    return shown, failures


def _failure(error: Exception, level: str | None, device: str) -> dict[str, Any]:
    """The failure for an error in a level, or (`level` is ``None``) outside of levels."""
    asked = level is not None and level not in DEFAULT_LEVELS
    if isinstance(error, Disproof):
        code = "NG407" if asked and error.code == "NG401" else error.code
        found = _finding(str(error), code, error.where)
    elif isinstance(error, MissingDevice):
        found = _finding(str(error), "NG403")
    elif is_out_of_memory(error):
        found = _finding(_lines(error)[0][:300], "NG404")
    elif asked:
        found = _raised(error, "NG407", "it")
    elif is_lacking(error, device):
        found = _raised(error, "NG403", f"`{device}` can't run the network, which")
    else:
        found = _raised(error, "NG401", "the network")
    return {**found, "level": level}


def _finding(text: str, code: str, where: str = "", notes: Sequence[str] = ()) -> dict[str, Any]:
    return {"finding": text, "code": code, "where": where, "notes": list(notes)}


def _raised(error: Exception, code: str, who: str) -> dict[str, Any]:
    """The failure for an unexpected error: its text, its line of generated source, its cause."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.line for frame in frames if frame.filename == FILE and frame.line]
    place = f", in `{lines[-1]}`" if lines else ""
    first, *others = _lines(error)
    last = others[-1] if others else ""
    notes = [last[:300]] if re.match(r"\w*(Error|Exception): ", last) else []
    if error.__cause__ is not None:
        cause = type(error.__cause__).__name__
        notes.append(f"its cause: {cause}: {_lines(error.__cause__)[0][:300]}")
    if re.search(_LACKING, first):
        notes.append(f"netgen knows the layers of torch {TORCH}; this is torch {torch.__version__}")
    text = f"{who} raised {type(error).__name__}: {first[:500]}{place}"
    return _finding(text, code, "", notes)


def _lines(error: BaseException) -> list[str]:
    """The non-empty lines of an error's text without colours; its type if there are none."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return [line.strip() for line in text.split("\n") if line.strip()] or [type(error).__name__]


def members(request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a request about members of a class: how many were ``held``, or the failure."""
    begun, device = time.perf_counter(), request["device"]
    try:
        subject = reread(request, device)
        held = hold_members(subject, request["members"], request["seconds"])
    except Exception as error:
        return {"ok": False, "failures": [_failure(error, request["level"], device)]}
    finally:
        leave(device)
    return {"ok": True, "held": held, "seconds": time.perf_counter() - begun}


def record(request: Mapping[str, Any]) -> dict[str, Any]:
    """The recording of a live network."""
    if is_onnx(request):
        from .onnx_files import tasks as files

        return files.recorded(request)
    try:
        from .recording.tasks import recorded  # few processes record
    except ImportError as error:
        finding = f"torch {torch.__version__} lacks what an import needs: {_lines(error)[0]}"
        return {"ok": False, "code": "NG701", "finding": finding, "source": ""}
    return recorded(request)


def compare(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a comparison of a live network with a generated class has shown."""
    if is_onnx(request):
        from .onnx_files import tasks as files

        return files.compared(request)
    from .recording.tasks import compared

    return compared(request)


def begin(request: Mapping[str, Any]) -> dict[str, Any]:
    """How the weights of a generated class begin."""
    from .recording.tasks import begun

    return begun(request)


def weights(request: Mapping[str, Any]) -> dict[str, Any]:
    """Write the weights of a file that has them in other terms."""
    from .onnx_files.tasks import saved

    return saved(request)


def is_onnx(request: Mapping[str, Any]) -> bool:
    """Whether a network is an ONNX file."""
    return str(request["module"]).endswith(".onnx")


TASKS: Mapping[str, Task] = {
    "prove": answer,
    "record": record,
    "compare": compare,
    "begin": begin,
    "weights": weights,
    "members": members,
    "describe": ask(custom.describe),
    "call": ask(custom.call),
}
