"""One spec of a run: what is asked for it, and what it comes to."""

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

    Its name is the spec's, unless it was `named` in the command. `demand` is what a run is to
    show, ``None`` if there is to be no run.

    The `verb` is ``build``, ``compare`` (hold what stands in the target against what the spec
    gives), ``check`` (the spec alone, without source) or ``view`` (what the `view` makes of it).
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


class Outcome(Struct, frozen=True):
    """What a job came to, errors and warnings in the order of the file.

    `layers` are the rows of the table, `fixed` the parameters that are no arguments, `sizes` those
    known only at run time, and `fit` says which of them the network takes; `proofs` are what the
    run showed on each device. `fresh` tells that the output stood there already, proven. After an
    error `table` shows the layers up to the failing one, `diff` how the target differs from what
    the spec gives.
    """

    config: str
    verb: str
    ok: bool
    target: str | None
    seconds: float
    diagnostics: tuple[Diagnostic, ...] = ()
    layers: tuple[dict[str, Any], ...] = ()
    parameters: int = 0
    macs: int = 0
    memory: Mapping[str, int] = field(default_factory=dict)
    fixed: tuple[dict[str, Any], ...] = ()
    sizes: tuple[dict[str, Any], ...] = ()
    fit: tuple[str, ...] = ()
    proofs: tuple[dict[str, Any], ...] = ()
    fresh: bool = False
    source: str = ""
    table: str = ""
    diff: str = ""
    view: str = ""
