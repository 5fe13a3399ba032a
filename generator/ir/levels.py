"""What can be asked of a run, and what it shows: plain data, known without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ..diagnostics.diagnostics import Diagnostic

LEVELS = tuple(
    "forward backward eval arguments learn dtype export compile onnx script ddp fsdp".split()
)
DEFAULT_LEVELS = ("forward", "backward", "eval")
# what other members of the class may take, unless all of them are asked for: a share of the time
# of the other proofs, and the least number of seconds
SHARE, LEAST = 0.2, 0.1
TIMEOUT = 600.0  # seconds for one spec, the loading of torch included


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """Levels in the order in which they are shown; raises `ValueError` for an unknown one.

    Others come on top of the default ones, unless some of these are named; `forward`, which
    holds the shapes against the predicted ones, is always among them.
    """
    wanted = {"forward", *names}
    if not {*names} & {*DEFAULT_LEVELS}:
        wanted |= {*DEFAULT_LEVELS}
    unknown = sorted(wanted - {*LEVELS})
    if unknown:
        raise ValueError(f"there is no level {unknown[0]!r}; the levels are {', '.join(LEVELS)}")
    return tuple(name for name in LEVELS if name in wanted)


class Demand(Struct, frozen=True):
    """What is to be shown, and where.

    `device` is one of torch's (``cpu``, ``cuda``, ``cuda:1``, ``mps``, ``meta``), ``auto`` for
    the best that is there, or ``all`` for each. `seed` is for weights and sample inputs. If it
    is `timed`, the time and memory of a forward pass and of a training step are measured, too.
    """

    device: str = "auto"
    seed: int = 0
    levels: tuple[str, ...] = DEFAULT_LEVELS
    timed: bool = False

    def __post_init__(self) -> None:
        """Refuse what no device can show."""
        more = [level for level in self.levels if level not in DEFAULT_LEVELS]
        more += ["time"] if self.timed else []
        if self.device == "meta" and more:
            raise ValueError(f"{more[0]} can't be shown on meta: nothing is computed there")

    @property
    def shows_members(self) -> bool:
        """Whether other members of the class are looked at: by default, or because asked for."""
        asked = "arguments" in self.levels or {*DEFAULT_LEVELS} <= {*self.levels}
        return asked and self.device != "meta"


class Shown(Struct, frozen=True):
    """What one level showed, and how long that took in seconds."""

    level: str
    seconds: float
    found: str


class Proof(Struct, frozen=True):
    """What the run showed on one device, and how long it took in seconds.

    `speed` holds what was measured, if that was asked for, `findings` are doubts.
    """

    device: str
    seconds: float
    torch: str
    levels: tuple[Shown, ...]
    notes: tuple[str, ...] = ()
    speed: Mapping[str, Any] | None = None
    findings: tuple[Diagnostic, ...] = ()
