"""One spec of a command: the `Job` that is asked for, and its `Outcome`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from ..diagnostics.diagnostics import Diagnostic
from ..ir.levels import Demand

if TYPE_CHECKING:
    from ..analysis.prediction import Prediction


class Job(Struct, frozen=True):
    """What is asked for one spec; `target` is the file to write, ``None`` for standard output.

    The spec is in the file that `config` names, or it is the `text`, and `config` stands for it.
    The target's name is derived from the spec's, unless it was `named` in the command. `demand`
    is what a smoke-run is to show, ``None`` for no run.

    The `verb` is ``build``, ``compare`` (compare the target with what the spec gives), ``check``
    (the spec alone, without generated source) or ``view`` (the text that `view` returns).
    """

    config: str
    target: Path | None
    overrides: Mapping[str, Any]
    verb: str = "build"
    demand: Demand | None = None
    strict: bool = False
    force: bool = False
    allow_imports: bool = False
    view: Callable[[Prediction], str] | None = None
    named: bool = False
    variant: str | None = None
    text: str | None = None


class Outcome(Struct, frozen=True):
    """The result of a job, with errors and warnings in the order of the file.

    `files` are the spec's own and those that it includes. `layers` are the rows of the table,
    `fixed` the parameters that are no arguments, `sizes` the run-time sizes, and `fit` says which
    of them the network takes. `variant` is the one that was asked for; without one `variants` are
    those of the spec. `proofs` are the results of the run on each device. `fresh` means that the
    target had this content already. After an error `table` shows the layers up to the failing one,
    and `diff` how the target differs from what the spec gives.
    """

    config: str
    verb: str
    ok: bool
    target: str | None
    seconds: float
    diagnostics: tuple[Diagnostic, ...] = ()
    files: tuple[str, ...] = ()
    layers: tuple[dict[str, Any], ...] = ()
    parameters: int = 0
    macs: int = 0
    memory: Mapping[str, int] = field(default_factory=dict)
    fixed: tuple[dict[str, Any], ...] = ()
    variant: str | None = None
    variants: tuple[dict[str, Any], ...] = ()
    sizes: tuple[dict[str, Any], ...] = ()
    fit: tuple[str, ...] = ()
    proofs: tuple[dict[str, Any], ...] = ()
    fresh: bool = False
    source: str = ""
    table: str = ""
    diff: str = ""
    view: str = ""
