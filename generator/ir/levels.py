"""The levels of a smoke-run that a user can ask for, and its results, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from msgspec import Struct

from ..diagnostics.diagnostics import Diagnostic

Level = Literal[
    "forward",
    "backward",
    "eval",
    "arguments",
    "learn",
    "dtype",
    "export",
    "compile",
    "onnx",
    "script",
    "ddp",
    "fsdp",
]
LEVELS: tuple[str, ...] = get_args(Level)
MEANINGS: Mapping[str, str] = {
    "forward": "each layer gives the predicted shape and type, in training",
    "backward": "every parameter on which an output depends gets a finite gradient",
    "eval": "each layer gives the predicted shape and type, in evaluation",
    "arguments": "the class with other arguments is what netgen writes for these values",
    "learn": "the same seed gives the same weights after some steps of Adam; does the loss fall?",
    "dtype": "it runs in bfloat16 and in float16, with the predicted shapes",
    "export": "what torch.export gives computes the same, for batches of 2 and 3",
    "compile": "what torch.compile gives computes the same; it needs a C++ compiler",
    "onnx": "its ONNX file, run by onnxruntime, computes the same; it needs torch-netgen[onnx]",
    "script": "what torch.jit.script gives computes the same, for batches of 2 and 3",
    "ddp": "two processes with half a batch each learn what one learns (DistributedDataParallel)",
    "fsdp": "two processes that share the parameters learn what one learns (fully_shard)",
}
DEFAULT_LEVELS = ("forward", "backward", "eval")
# the time for other members of the class, unless all of them are asked for: a share of the time
# of the other proofs, and the least number of seconds
SHARE, LEAST = 0.2, 0.1
TIMEOUT = 600.0  # seconds for one spec, the loading of torch included


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """The levels to run, in the order of `LEVELS`; raises `ValueError` for an unknown one.

    Where no default level is named, the default levels are added. `forward`, which compares
    shapes with the predicted ones, is always among them.
    """
    wanted = {"forward", *names}
    if not {*names} & {*DEFAULT_LEVELS}:
        wanted |= {*DEFAULT_LEVELS}
    unknown = sorted(wanted - {*LEVELS})
    if unknown:
        raise ValueError(f"there is no level {unknown[0]!r}; the levels are {', '.join(LEVELS)}")
    return tuple(name for name in LEVELS if name in wanted)


class Demand(Struct, frozen=True):
    """What a smoke-run is asked to show, and on which device.

    `device` is one of torch's (``cpu``, ``cuda``, ``cuda:1``, ``mps``, ``meta``), ``auto`` for
    the best that is there, or ``all`` for each. `seed` is for weights and sample inputs. If it
    is `timed`, the time and memory of a forward pass and of a training step are measured, too.
    If it is `piecewise`, each module is run alone: so is a network that takes too much memory.
    """

    device: str = "auto"
    seed: int = 0
    levels: tuple[str, ...] = DEFAULT_LEVELS
    timed: bool = False
    piecewise: bool = False

    def __post_init__(self) -> None:
        """Raise `ValueError` for levels and timing that ``meta`` can't show."""
        more = [level for level in self.levels if level not in DEFAULT_LEVELS]
        more += ["time"] if self.timed else []
        if self.device == "meta" and more:
            raise ValueError(f"{more[0]} can't be shown on meta: nothing is computed there")
        if self.piecewise and not self.can_be_piecewise:
            raise ValueError(f"{more[0]} can't be shown piece by piece: it needs the whole network")

    @property
    def can_be_piecewise(self) -> bool:
        """Whether all that is asked for can be shown of each piece of the network alone."""
        return {*self.levels} <= {*DEFAULT_LEVELS, "arguments"} and not self.timed

    @property
    def shows_members(self) -> bool:
        """Whether other members of the class are tried: by default, or because asked for."""
        asked = "arguments" in self.levels or {*DEFAULT_LEVELS} <= {*self.levels}
        return asked and self.device != "meta"


class Shown(Struct, frozen=True):
    """What one level showed, and how long that took in seconds."""

    level: str
    seconds: float
    found: str


class Proof(Struct, frozen=True):
    """What the run showed on one device, and how long its default levels took in seconds.

    `speed` holds the measurements, if they were asked for; `findings` are warnings.
    """

    device: str
    seconds: float
    torch: str
    levels: tuple[Shown, ...]
    notes: tuple[str, ...] = ()
    speed: Mapping[str, Any] | None = None
    findings: tuple[Diagnostic, ...] = ()
